import { lineAt, type TreeFile, type Violation } from '../source-tree.ts';

/** Written in pieces, so that this file does not hold what it forbids. */
const forbidden: [pattern: RegExp, problem: string, reason: string][] = [
  [
    new RegExp(`${'/wo'}${'rk'}/[\\w.]`, 'g'),
    'names a path of one machine',
    'the tree must work wherever it is cloned',
  ],
  [
    new RegExp(`\\bregistry\\.(?:${'npm'}js|yarn${'pkg'}|npm${'mirror'})\\b|\\bdeb\\.${'debian'}\\.org\\b`, 'g'),
    'names a package registry',
    'which mirror to use is the setting of a machine, not of the project',
  ],
];

/** Nothing in the tree depends on one machine or one package mirror. */
export function forbiddenText(files: readonly TreeFile[]): Violation[] {
  return files.flatMap((file) =>
    forbidden.flatMap(([pattern, problem, reason]) =>
      [...file.text.matchAll(pattern)].map((match) => ({
        file: file.path,
        line: lineAt(file.text, match.index),
        problem: `${problem}: ${match[0]}`,
        reason,
      })),
    ),
  );
}
