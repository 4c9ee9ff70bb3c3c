import { isIn, lineAt, type Rule, type Violation } from '../source-tree.ts';

/** Files that decide and do nothing else: `(desired, observed, now) → actions`. */
export const purePlaces = [
  'controller/orchestrator',
  'agent/reconcile*',
  'agent/instance/instance-view*',
  'agent/instance/next-step*',
  'agent/instance/restart*',
  'shared/state',
];

const reason = 'the simulator and the property tests run these very functions with a clock and ids of their own';

/** What makes a result depend on anything but the arguments, or has an effect beyond the result. */
const impure: [pattern: RegExp, name: string][] = [
  [/\bDate\.now\b/g, 'Date.now'],
  [/\bnew\s+Date\b/g, 'new Date'],
  [/\bMath\.random\b/g, 'Math.random'],
  [/\bperformance\b(?!\s*[:?])/g, 'performance'],
  [/\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/g, 'a timer'],
  [/(?<![\w$.])process\s*\./g, 'process'],
  [/(?<![\w$.])crypto\s*\./g, 'crypto'],
  [/(?<![\w$.])(console|fetch)\b\s*[.(]/g, 'input or output'],
  [/\bawait\b/g, 'await'],
];

export const purity: Rule = (files) =>
  files
    .filter((file) => isPure(file.path))
    .flatMap((file): Violation[] => {
      const uses = impure.flatMap(([pattern, name]): Violation[] =>
        [...file.code.matchAll(pattern)].map((match) => ({
          file: file.path,
          line: lineAt(file.code, match.index),
          problem: `uses ${name} in a pure folder`,
          reason,
        })),
      );
      const imports = file.imports.flatMap(({ specifier, target, typeOnly, line }): Violation[] => {
        if (typeOnly) return [];
        if (target !== null && (isPure(target) || isIn(target, 'shared/contracts'))) return [];
        return [
          {
            file: file.path,
            line,
            problem: `imports ${specifier}; a pure file imports contracts and pure files only`,
            reason,
          },
        ];
      });
      return [...uses, ...imports];
    });

function isPure(file: string): boolean {
  return purePlaces.some((place) => isIn(file, place));
}
