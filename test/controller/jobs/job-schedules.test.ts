import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ActiveJob, activeJobs } from '../../../controller/jobs/active-jobs.ts';
import { createJobSchedules } from '../../../controller/jobs/job-schedules.ts';
import { serviceSpecSchema } from '../../../shared/contracts/spec.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';

function jobs(schedules: Record<string, string>): Map<string, ActiveJob> {
  const target = { revision: 1, generation: 0 };
  const run = { type: 'http' as const, path: '/' };
  const wanted = Object.fromEntries(Object.entries(schedules).map(([name, schedule]) => [name, { schedule, run }]));
  return activeJobs({
    services: [
      {
        ...{ name: 'shop', target, stable: target, scale: { instances: 1 }, stopped: false, deleted: false },
        ...{ deploymentId: null, lastRevision: 1, createdAt: 0, updatedAt: 0 },
      },
    ],
    revisions: [
      {
        spec: serviceSpecSchema.parse({ name: 'shop', script: 'server.js', jobs: wanted }),
        ...{ service: 'shop', revision: 1, artifact: null, createdAt: 0, createdBy: 'user:admin' },
      },
    ],
  });
}

/** Schedules over a Redis of their own; they are closed before it. */
async function open(t: TestContext, options: { appendonly?: boolean } = {}) {
  const closers: (() => void | Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const server = await startRedis({ after: (cleanUp) => closers.push(cleanUp) }, options);
  const told: string[] = [];
  const schedules = createJobSchedules({
    redisUrl: server.url,
    keyPrefix: 'test',
    logger: silentLogger,
    async onTick(name) {
      told.push(name);
    },
  });
  closers.push(() => schedules.close());
  const redis = server.client();
  const next = async () => redis.zrange('{test}:bull:jobs:repeat', '0', '-1', 'WITHSCORES');
  /** Rejects while the connection is on its way. */
  const sync = (wanted: Map<string, ActiveJob>) => eventually(() => schedules.sync(wanted).then(() => true));
  return { server, schedules, told, next, sync };
}

test('a second look at the same jobs changes nothing, and another schedule takes the place of the first', async (t) => {
  const { next, sync } = await open(t);
  await sync(jobs({ a: '0 0 1 1 *' }));
  const first = await next();
  await sync(jobs({ a: '0 0 1 1 *' }));
  assert.deepEqual(await next(), first);
  await sync(jobs({ a: '0 0 2 1 *', b: '0 0 1 1 *' }));
  const second = await next();
  assert.deepEqual(second.filter((_, index) => index % 2 === 0).sort(), ['shop/a', 'shop/b']);
  assert.notEqual(second[second.indexOf('shop/a') + 1], first[1]);
  await sync(new Map());
  assert.deepEqual(await next(), []);
});

test('Redis is gone and comes back: ticks go on by themselves', async (t) => {
  const { server, told, sync } = await open(t, { appendonly: true });
  await sync(jobs({ a: '* * * * * *' }));
  await eventually(() => told.length >= 1);
  await server.restart();
  const before = told.length;
  await eventually(() => told.length >= before + 2, { timeoutMs: 15_000 });
});

test('it can be closed while Redis is away', async (t) => {
  const { server, schedules, told, sync } = await open(t);
  await sync(jobs({ a: '* * * * * *' }));
  await eventually(() => told.length >= 1);
  await server.kill();
  await schedules.close();
});
