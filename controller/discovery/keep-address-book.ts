import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import type { Coordination } from '../../shared/coordination/coordination.ts';
import { discoveryKeys, publishAddresses } from '../../shared/coordination/discovery/address-book.ts';
import { answerWithin } from '../../shared/coordination/lease/hold.ts';
import type { WakeHint } from '../../shared/redis/store/store.ts';
import { createLoop } from '../../shared/runtime/loop.ts';
import { buildAddressBook } from './build-address-book.ts';

export interface KeepAddressBookOptions {
  /** That of the services: they read the addresses in their own Redis. */
  readonly coordination: Coordination;
  readonly snapshot: () => Promise<Snapshot>;
  readonly onWake: (listener: (hint: WakeHint) => void) => () => void;
  /** The term that this controller holds at this moment, or null. */
  readonly term: () => number | null;
}

/**
 * A router that comes or goes is told as a report, and reports are too many to wake us: so long its address may be missing, or
 * refuse connections. What the Redis of services has lost is written again as soon.
 */
const intervalMs = 3_000;
/** By then a change is seen whose message was lost. */
const lookAgainMs = 30_000;
/** The end of a deploy changes the routes several times within moments. */
const debounceMs = 50;
const answerMs = 5_000;

interface Book {
  readonly text: string;
  /** When it was read: the term, the changes that were known, and the monotonic time. */
  readonly term: number;
  readonly changes: number;
  readonly readAtMs: number;
}

/** While this controller leads, workers find in their Redis where the routers answer for each service. */
export function keepAddressBook(options: KeepAddressBookOptions): { close(): Promise<void> } {
  const { coordination, snapshot, onWake, term } = options;
  const { redis, prefix, clock, logger } = coordination;
  const keys = discoveryKeys(prefix);
  /** Changes that were heard of. */
  let changes = 0;
  /** The newest book: while nothing changes the snapshot is not read again. */
  let known: Book | undefined;

  async function look(signal: AbortSignal): Promise<void> {
    const current = term();
    if (current === null || redis.status !== 'ready') return;
    if (!isFresh(current)) known = await read(current);
    if (signal.aborted || known === undefined) return;
    await answerWithin(
      publishAddresses.run(redis, [keys.book], [known.term, known.text, keys.wakeChannel]),
      answerMs,
      clock,
      signal,
    );
  }
  function isFresh(current: number): boolean {
    if (known === undefined || known.term !== current || known.changes !== changes) return false;
    return clock.monotonicMs() - known.readAtMs < lookAgainMs;
  }
  async function read(current: number): Promise<Book> {
    const before = { term: current, changes, readAtMs: clock.monotonicMs() };
    return { ...before, text: JSON.stringify(buildAddressBook(await snapshot())) };
  }

  const loop = createLoop(look, {
    ...{ intervalMs, debounceMs, clock },
    onError: (error) => logger.debug('The addresses of services were not written; the next look does it', { error }),
  });
  const forget = onWake(({ kind }) => {
    changes += 1;
    if (kind !== 'report') loop.wake();
  });
  return {
    async close() {
      forget();
      await loop.close();
    },
  };
}
