import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type ImportStatement, scanSource } from './scan-source.ts';

/** A file of the tree; `path` is relative to the root and uses slashes. */
export type TreeFile = { path: string; text: string };

export type SourceFile = TreeFile & { code: string; imports: ResolvedImport[] };

/** `target` is the file that a relative specifier names, as a path of the tree, or null for a package or `node:*`. */
export type ResolvedImport = ImportStatement & { target: string | null };

/** A broken rule: where, and why the rule is there. */
export type Violation = { file: string; line?: number; problem: string; reason: string };

export type Rule = (files: readonly SourceFile[]) => Violation[];

export const root = path.resolve(import.meta.dirname, '../..');

const notOurs = new Set(['node_modules', '.git', '.drover', 'dist', 'coverage']);

/** Every file of the tree that a commit could hold, whether git is there or not. */
export function readTree(folder = root): TreeFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry): TreeFile[] => {
    if (notOurs.has(entry.name)) return [];
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) return readTree(full);
    if (!entry.isFile() || entry.name.endsWith('.log')) return [];
    return [{ path: path.relative(root, full), text: readFileSync(full, 'utf8') }];
  });
}

/** The TypeScript and JavaScript among them, scanned. */
export function toSourceFiles(files: readonly TreeFile[]): SourceFile[] {
  return files.filter((file) => /\.(ts|mts|cts|js|mjs|cjs)$/.test(file.path)).map(toSourceFile);
}

/** For fixtures: a source tree in memory, from path to text. */
export function sourceTree(files: Record<string, string>): SourceFile[] {
  return toSourceFiles(Object.entries(files).map(([path, text]) => ({ path, text })));
}

/** The first folder of a path: `agent` of `agent/shim/main.ts`; empty for files at the root. */
export function topFolder(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : '';
}

/** True if `file` is `place` or is below it; `place` may end in `*` for a prefix of a file name. */
export function isIn(file: string, place: string): boolean {
  if (place.endsWith('*')) return file.startsWith(place.slice(0, -1));
  return file === place || file.startsWith(`${place}/`);
}

/** The line of a character offset, from 1. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** One line per violation, ready to be a test's failure message. */
export function report(violations: readonly Violation[]): string {
  return violations
    .map(
      ({ file, line, problem, reason }) => `${file}${line === undefined ? '' : `:${line}`} ${problem}. Why: ${reason}`,
    )
    .join('\n');
}

function toSourceFile(file: TreeFile): SourceFile {
  const { code, imports } = scanSource(file.text);
  return {
    ...file,
    code,
    imports: imports.map((statement) => ({
      ...statement,
      target: statement.specifier.startsWith('.')
        ? path.posix.join(path.posix.dirname(file.path), statement.specifier)
        : null,
    })),
  };
}
