import type { Redis } from 'ioredis';

import { acceptEpoch, proposeEpoch } from './quorum-scripts.ts';

/** Each round is lost only to another that was won; this many in a row mean that masters do not answer. */
const maxRounds = 5;

/**
 * A fencing token from a majority of masters: the highest of what a majority proposes (above its last, and at least its
 * clock in microseconds), then accepted by a majority, each of which accepts only what is above its last. Any two
 * majorities share a master, so no epoch is given out twice, and one asked for after another was given is higher.
 *
 * That holds while no master loses what it has accepted. After the loss of a majority's data only their clocks keep
 * epochs rising; clocks that are behind as well can give a token below an earlier one, which `reseedEpoch` cannot repair
 * for several masters: the fences at the resource then refuse the new holder until the clocks have caught up.
 * @throws Error when no majority answered
 */
export async function takeQuorumEpoch(masters: readonly Redis[], epochKey: string): Promise<number> {
  const quorum = Math.floor(masters.length / 2) + 1;
  for (let round = 1; round <= maxRounds; round++) {
    const proposed = await answersOf(quorum, masters, (master) => proposeEpoch.run(master, [epochKey], []));
    const epoch = Math.max(...proposed.map(Number));
    const votes = await answersOf(quorum, masters, async (master) => {
      if ((await acceptEpoch.run(master, [epochKey], [`${epoch}`])) === 1) return true;
      throw new Error('refused');
    }).catch(() => []);
    if (votes.length >= quorum) return epoch;
  }
  throw new Error('No majority of the masters agreed on an epoch');
}

/** Resolves with the first `count` answers; rejects once so many cannot come any more. */
function answersOf<T>(count: number, masters: readonly Redis[], ask: (master: Redis) => Promise<T>): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const answers: T[] = [];
    let failures = 0;
    for (const master of masters) {
      ask(master).then(
        (answer) => {
          if (answers.push(answer) === count) resolve([...answers]);
        },
        (cause: unknown) => {
          failures += 1;
          if (failures === masters.length - count + 1) reject(new Error('Too few masters answered', { cause }));
        },
      );
    }
  });
}
