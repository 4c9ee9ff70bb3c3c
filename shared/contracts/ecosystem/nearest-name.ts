/** The known name closest to a mistyped one, or undefined when none is near enough to be what was meant. */
export function nearestName(given: string, known: Iterable<string>): string | undefined {
  const plain = given.toLowerCase().replaceAll(/[-_]/g, '');
  // A third of the letters may be wrong: more, and suggestions stop being about what was typed.
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(plain, name.toLowerCase().replaceAll(/[-_]/g, ''));
    if (distance <= Math.max(1, Math.floor(plain.length / 3)) && (best === undefined || distance < best.distance)) {
      best = { name, distance };
    }
  }
  return best?.name;
}

/** Insertions, deletions, substitutions and swaps of neighbours each count one. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
