// One host of the cron campaign: notes each run that it starts in a file of its own, before it does anything else.

import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { createCrons } from '../../../shared/coordination/cron/crons.ts';
import { parseSchedule } from '../../../shared/coordination/cron/schedule.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { systemClock } from '../../../shared/runtime/clock.ts';

export interface CronHostSettings {
  readonly url: string;
  readonly identity: string;
  readonly everyMs: number;
  /** By how much this host's wall clock is ahead. */
  readonly skewMs: number;
  readonly ttlMs: number;
  readonly runMs: number;
  /** `lock` is the well-known mistake: lock, run, unlock, by the host's own timer. */
  readonly guard: 'claim' | 'lock';
  readonly file: string;
}

export const campaignJob = 'campaign';

const settings = JSON.parse(process.argv[2]!) as CronHostSettings;
const { url, identity, everyMs, skewMs, ttlMs, runMs, guard, file } = settings;
const clock = { ...systemClock, nowMs: () => Date.now() + skewMs };
const coordination = openCoordination({ url, identity, clock });
await coordination.ready();
const leaving = Promise.withResolvers<void>();
process.stdin.on('data', () => leaving.resolve());
process.stdin.on('end', () => leaving.resolve());

async function runTick(tick: number, token: number): Promise<void> {
  appendFileSync(file, `${tick} ${token}\n`);
  await sleep(runMs);
}

if (guard === 'claim') {
  const crons = createCrons(coordination);
  const options = { overlap: 'queue', catchUp: 'all', ttlMs } as const;
  await crons.cron(campaignJob, { everyMs }, (run) => runTick(run.tick.getTime(), run.token), options).ready;
  process.stdout.write('ready\n');
  await leaving.promise;
  await crons.close({ graceMs: 1000 });
} else {
  process.stdout.write('ready\n');
  await Promise.race([leaving.promise, lockRunUnlock()]);
}
await coordination.close();
process.stdin.destroy();

async function lockRunUnlock(): Promise<void> {
  const schedule = parseSchedule({ everyMs });
  for (let tick = schedule.next(clock.nowMs())!; !coordination.signal.aborted; tick += everyMs) {
    await sleep(Math.max(0, tick - clock.nowMs()));
    const key = `${coordination.prefix}:lock`;
    if ((await coordination.redis.set(key, identity, 'PX', ttlMs, 'NX').catch(() => null)) === null) continue;
    await runTick(tick, tick);
    await coordination.redis.del(key).catch(() => {});
  }
}
