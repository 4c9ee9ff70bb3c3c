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

/** A router that comes or goes is reported without a wake-up; so long its address may be missing, or refuse connections. */
const intervalMs = 3_000;
/** The end of a deploy changes the routes several times within moments. */
const debounceMs = 50;
const answerMs = 5_000;

/** While this controller leads, workers find in their Redis where the routers answer for each service. */
export function keepAddressBook(options: KeepAddressBookOptions): { close(): Promise<void> } {
  const { coordination, snapshot, onWake, term } = options;
  const { redis, prefix, clock, logger } = coordination;
  const keys = discoveryKeys(prefix);

  async function look(signal: AbortSignal): Promise<void> {
    const current = term();
    if (current === null || redis.status !== 'ready') return;
    const book = JSON.stringify(buildAddressBook(await snapshot()));
    if (signal.aborted) return;
    await answerWithin(
      publishAddresses.run(redis, [keys.book], [current, book, keys.wakeChannel]),
      answerMs,
      clock,
      signal,
    );
  }

  const loop = createLoop(look, {
    ...{ intervalMs, debounceMs, clock },
    onError: (error) => logger.debug('The addresses of services were not written; the next look does it', { error }),
  });
  const forget = onWake(({ kind }) => {
    if (kind !== 'report') loop.wake();
  });
  return {
    async close() {
      forget();
      await loop.close();
    },
  };
}
