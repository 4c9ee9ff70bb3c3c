import type { Operation, Share } from './history.ts';

/** A hold for as long as it is known: from when its holder was told of it to the last assertion that passed. */
interface KnownHold {
  readonly epoch: number;
  readonly share: Share;
  readonly from: number;
  to: number;
}

/**
 * Judges locks and permits that several may hold, by what their holders believed. Each key: nobody holds while a writer
 * does, at most `permits` hold one, and a grant that was asked for after another was known has a higher epoch. A hold that
 * was asserted at an instant was held since its grant, so what is found here did happen.
 */
export function findSharingMistakes(operations: readonly Operation[], permits: number): string[] {
  const byKey = Map.groupBy(operations, ({ key }) => key);
  return [...byKey].flatMap(([key, own]) =>
    [...findOverlaps(own, permits), ...findFallenEpochs(own)].map((mistake) => `${key}: ${mistake}`),
  );
}

function findOverlaps(operations: readonly Operation[], permits: number): string[] {
  const mistakes: string[] = [];
  let present: KnownHold[] = [];
  for (const hold of knownHolds(operations)) {
    present = present.filter(({ to }) => to > hold.from);
    present.push(hold);
    const shares = (wanted: Share) => present.filter(({ share }) => share === wanted).length;
    const isRight = shares('permit') <= permits && (shares('write') === 0 || present.length === 1);
    if (isRight) continue;
    mistakes.push(`held at once: ${present.map(({ share, epoch }) => `${share} ${epoch}`).join(', ')}`);
  }
  return mistakes;
}

function knownHolds(operations: readonly Operation[]): KnownHold[] {
  const holds = new Map<number, KnownHold>();
  for (const { epoch, share, completeAt } of grantsOf(operations)) {
    holds.set(epoch!, { epoch: epoch!, share: share!, from: completeAt, to: completeAt });
  }
  for (const { type, outcome, epoch, invokeAt } of operations) {
    const hold = type === 'assert' && outcome === 'ok' ? holds.get(epoch!) : undefined;
    if (hold !== undefined) hold.to = Math.max(hold.to, invokeAt);
  }
  // One that was never asserted may have been over when its holder heard of it.
  return [...holds.values()].filter(({ from, to }) => to > from).sort((a, b) => a.from - b.from);
}

function findFallenEpochs(operations: readonly Operation[]): string[] {
  const grants = grantsOf(operations);
  const byEnd = [...grants].sort((a, b) => a.completeAt - b.completeAt);
  const byBegin = [...grants].sort((a, b) => a.invokeAt - b.invokeAt);
  const mistakes: string[] = [];
  const seen = new Set<number>();
  let highest = 0;
  let ended = 0;
  for (const { epoch, invokeAt } of byBegin) {
    for (; byEnd[ended] !== undefined && byEnd[ended]!.completeAt < invokeAt; ended++) {
      highest = Math.max(highest, byEnd[ended]!.epoch!);
    }
    if (epoch! <= highest) mistakes.push(`epoch ${epoch} was given out after ${highest}`);
    if (seen.has(epoch!)) mistakes.push(`epoch ${epoch} was given out twice`);
    seen.add(epoch!);
  }
  return mistakes;
}

function grantsOf(operations: readonly Operation[]): Operation[] {
  return operations.filter(({ type, outcome }) => type === 'acquire' && outcome === 'ok');
}
