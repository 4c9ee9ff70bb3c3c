import type { Rule, SourceFile, Violation } from '../source-tree.ts';

/** Reports each import cycle once, by its shortest way round from its first file. Types may point back: they are gone at run time. */
export const importCycles: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reported = new Set<string>();
  return files.flatMap((file): Violation[] => {
    const cycle = shortestWayBack(file.path, byPath);
    if (cycle === null) return [];
    const members = [...new Set(cycle)].sort().join(' ');
    if (reported.has(members)) return [];
    reported.add(members);
    return [
      {
        file: file.path,
        problem: `is in an import cycle: ${cycle.join(' → ')}`,
        reason: 'files in a cycle are one file in disguise, and which one runs first depends on who imports it',
      },
    ];
  });
};

function shortestWayBack(start: string, byPath: ReadonlyMap<string, SourceFile>): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const current of queue) {
    for (const { target, typeOnly } of byPath.get(current)?.imports ?? []) {
      if (typeOnly) continue;
      if (target === start) return [...wayTo(current, start, cameFrom), start];
      if (target === null || cameFrom.has(target)) continue;
      cameFrom.set(target, current);
      queue.push(target);
    }
  }
  return null;
}

function wayTo(end: string, start: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way = [end];
  while (way[0] !== start) way.unshift(cameFrom.get(way[0]!)!);
  return way;
}
