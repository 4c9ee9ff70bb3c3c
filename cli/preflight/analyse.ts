import { checks } from './checks.ts';
import type { Finding } from './finding.ts';
import { applyIgnores } from './ignore-comments.ts';
import { createProject } from './project.ts';
import { findReach } from './reach.ts';
import { readSource, type Source } from './read-source.ts';

/** One file: its path, relative to what is looked at and with slashes, and its text. */
export interface SourceText {
  readonly path: string;
  readonly text: string;
}

/** Finds what is unsafe at more than one instance. Never throws on any text; sorted by file, line and column. */
export function analyse(files: readonly SourceText[]): Finding[] {
  const findings: Finding[] = [];
  const sources: Source[] = [];
  for (const { path, text } of files) {
    const read = readSource(path, text);
    if (!('ok' in read)) sources.push(read);
    else findings.push({ rule: 'unreadable', file: path, line: read.line, column: read.column, subject: read.message });
  }
  const project = createProject(sources);
  const reach = findReach(project);
  for (const source of sources) {
    const found = checks.flatMap((check) => check({ source, project, reach }));
    findings.push(...applyIgnores(source, found));
  }
  return findings.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column));
}
