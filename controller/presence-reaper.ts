import { clearUpPresences } from '../shared/coordination/channel/clear-up-presences.ts';
import type { Coordination } from '../shared/coordination/coordination.ts';
import { answerWithin } from '../shared/coordination/lease/hold.ts';
import { createLoop } from '../shared/runtime/loop.ts';

export interface PresenceReaperOptions {
  /** That of the services: presence is in their Redis. */
  readonly coordination: Coordination;
  /** One of the controllers is enough; two at once do no harm. */
  readonly isLeader: () => boolean;
  readonly intervalMs?: number;
}

/** Services that take part clear up after each other within seconds; this is for when none of them is left. */
const defaultIntervalMs = 60_000;
/** Of ten participants with thousands of connections each; what is left is the next look's. */
const lookMs = 30_000;

/** While this controller leads, what dead participants had present goes from Redis also when no service lives. */
export function createPresenceReaper(options: PresenceReaperOptions): { close(): Promise<void> } {
  const { coordination, isLeader, intervalMs = defaultIntervalMs } = options;
  const { redis, clock, logger } = coordination;
  const loop = createLoop(
    async (signal) => {
      if (!isLeader() || redis.status !== 'ready') return;
      await answerWithin(clearUpPresences(coordination, signal), lookMs, clock, signal);
    },
    {
      intervalMs,
      clock,
      onError: (error) => logger.debug('Presences were not cleared up; the next look starts over', { error }),
    },
  );
  return { close: () => loop.close() };
}
