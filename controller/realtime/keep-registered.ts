import type { ClusterStore } from '../../shared/redis/store/store.ts';
import { systemClock } from '../../shared/runtime/clock.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import { createLoop } from '../../shared/runtime/loop.ts';

export interface Registration {
  /** URLs of all controllers as last read, this one included. */
  urls(): readonly string[];
  /** Leaves the list, so that agents and clients stop trying this one. */
  close(): Promise<void>;
}

/** Entries of the list live 30 s; refreshed six times in that time, one lost write is no matter. */
const refreshMs = 5_000;

/** Keeps this controller in the list that agents learn all controllers from. */
export async function keepRegistered(
  cluster: ClusterStore,
  { id, url, version, logger }: { id: string; url: string; version: string; logger: Logger },
): Promise<Registration> {
  const startedAt = systemClock.nowMs();
  let known: string[] = [url];
  const refresh = async () => {
    await cluster.touchController({ id, url, version, leader: false, startedAt, seenAt: systemClock.nowMs() });
    const listed = (await cluster.listControllers()).map((controller) => controller.url);
    known = [...new Set([url, ...listed])];
  };
  await refresh();
  const loop = createLoop(refresh, {
    intervalMs: refreshMs,
    onError: (error) => logger.debug('registration waits for the store', { error }),
  });
  return {
    urls: () => known,
    async close() {
      await loop.close();
      await cluster.removeController(id).catch((error: unknown) => logger.debug('left without signing off', { error }));
    },
  };
}
