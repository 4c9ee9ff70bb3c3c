import type { Finding } from '../preflight/finding.ts';
import { rules } from '../preflight/rules.ts';
import type { Colors } from './output.ts';

/** Findings for people: grouped by file, each with the failure that follows and what mends it. */
export function renderFindings(findings: readonly Finding[], { bold, red, dim }: Colors): string[] {
  const files = Map.groupBy(findings, ({ file }) => file);
  return [...files].flatMap(([file, inFile]) => [
    bold(file),
    ...inFile.flatMap(({ rule, line, column, subject }) => {
      const { what, failure, mend, guide } = rules[rule];
      return [
        `  ${file}:${line}:${column} ${red(rule)} ${what}: ${subject}`,
        `    ${failure}`,
        `    → ${mend} ${dim(`(docs/${guide})`)}`,
      ];
    }),
    '',
  ]);
}
