import type { Finding } from './finding.ts';
import type { Source } from './read-source.ts';
import { isRuleId } from './rules.ts';

const form = /^\s*drover-ignore-next-line\b\s*([\w-]*)\s*(?::\s*(.*\S))?\s*$/;

/** Leaves out what a comment on the line before says is safe, and why; a comment without a rule or a reason is a finding. */
export function applyIgnores(source: Source, findings: readonly Finding[]): Finding[] {
  const ignored = new Set<string>();
  const bad: Finding[] = [];
  for (const { value, loc } of source.comments) {
    const match = form.exec(value);
    if (match === null || loc == null) continue;
    const [, rule = '', reason] = match;
    if (isRuleId(rule) && reason !== undefined) ignored.add(`${loc.end.line + 1} ${rule}`);
    else {
      const subject = isRuleId(rule)
        ? 'no reason is given'
        : rule === ''
          ? 'no rule is named'
          : `there is no rule "${rule}"`;
      bad.push({ rule: 'bad-ignore', file: source.path, line: loc.start.line, column: loc.start.column + 1, subject });
    }
  }
  return [...findings.filter(({ line, rule }) => !ignored.has(`${line} ${rule}`)), ...bad];
}
