import type { cronOperations } from '../../../shared/contracts/coordination/cron-operations.ts';
import type { CronRecord, CronView } from '../../../shared/coordination/cron/cron-job.ts';
import { type CronRecords, createCronRecords } from '../../../shared/coordination/cron/cron-records.ts';
import { createRemoteRuns } from '../../../shared/coordination/cron/remote-runs.ts';
import type { Handlers } from '../handler.ts';
import type { HandlerDeps } from './handler-deps.ts';

type CronHandlers = Pick<Handlers, keyof typeof cronOperations>;

export function createCronHandlers({ services }: Pick<HandlerDeps, 'services'>): CronHandlers {
  const records: CronRecords = createCronRecords(services);
  const runs = createRemoteRuns(services);
  return {
    listCrons: async () => (await records.list()).map(toView),
    listCronRuns: async ({ params, query }) =>
      (await records.history(params.name, { limit: query.limit })).map(toRecord),
    async pauseCron({ params }) {
      await records.pause(params.name);
      return toView(await records.get(params.name));
    },
    async resumeCron({ params }) {
      await records.resume(params.name);
      return toView(await records.get(params.name));
    },
    triggerCron: async ({ params }) => ({ runId: await records.trigger(params.name) }),
    async claimTick({ params, body }) {
      const { schedule, timeZone, overlap, holder, identity, runTtlMs } = body;
      const { name } = params;
      const { tick, answer } = await runs.claim({
        name,
        schedule,
        timeZone,
        overlap,
        holder,
        identity,
        ttlMs: runTtlMs,
      });
      const run = answer.outcome === 'claimed' ? answer.run : null;
      return {
        claimed: run !== null,
        reason: answer.outcome,
        runId: run?.runId ?? null,
        tick: tick ?? null,
        token: run?.epoch ?? null,
        retryAfterMs: 'remainingMs' in answer ? answer.remainingMs : 0,
      };
    },
    async extendRun({ params, body: { runTtlMs, ...run } }) {
      await runs.extend({ ...params, ...run }, runTtlMs);
      return undefined;
    },
    async finishRun({ params, body: { holder, tick, ...end } }) {
      await runs.finish({ ...params, holder, tick }, end);
      return undefined;
    },
  };
}

function toView({ schedule, nextTickAt, lastTickAt, running, hosts, ...view }: CronView) {
  return {
    ...view,
    schedule: typeof schedule === 'string' ? schedule : `every ${schedule.everyMs} ms`,
    nextTickAt: nextTickAt?.getTime() ?? null,
    lastTickAt: lastTickAt.getTime(),
    running: running === null ? null : { ...running, tick: running.tick.getTime(), sinceAt: running.since.getTime() },
    hosts: [...hosts],
  };
}

function toRecord({ tick, startedAt, result, ...record }: CronRecord) {
  return {
    ...record,
    tick: tick.getTime(),
    startedAt: startedAt.getTime(),
    ...(result === undefined ? {} : { result: result as null }),
  };
}
