import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { Queue } from 'bullmq';
import { createJobs, type Jobs } from '../../../controller/jobs/create-jobs.ts';
import { createJobRunStore } from '../../../controller/jobs/job-run-store.ts';
import type { JobRunStatus } from '../../../shared/contracts/job-run.ts';
import type { Snapshot } from '../../../shared/contracts/snapshot.ts';
import { serviceSpecSchema } from '../../../shared/contracts/spec.ts';
import { createCronRecords } from '../../../shared/coordination/cron/cron-records.ts';
import { parseFenceHeader } from '../../../shared/coordination/fence/fence-header.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';
import { sampleInstance, sampleNode } from '../../support/sample-entities.ts';

const server = await startRedis({ after });
const everySecond = { schedule: '* * * * * *', overlap: 'queue', catchUp: { withinMs: 60_000 } };
const far = '0 0 1 1 *';
const request = { type: 'http' as const, path: '/tick' };
const script = { type: 'process' as const, script: 'work.js' };

let stages = 0;

/** Controllers over one Redis, a service with one instance, and a snapshot that a test may change. */
async function open(t: TestContext, jobs: Record<string, unknown>) {
  const keyPrefix = `stage${++stages}`;
  const ticks: { tick: string; fence: number }[] = [];
  const web = createServer((incoming, response) => {
    ticks.push({
      tick: String(incoming.headers['drover-tick']),
      fence: parseFenceHeader(String(incoming.headers['drover-fence'])).token,
    });
    response.end('done');
  }).listen(0, '127.0.0.1');
  await once(web, 'listening');
  const { port } = web.address() as AddressInfo;

  let snapshot = snapshotOf(jobs, port);
  const listeners = new Set<(hint: { version: number; kind: 'desired' }) => void>();
  const opened: { close(): Promise<void> }[] = [];
  let leader = 0;
  const controllers: Jobs[] = [];
  const coordinations = [0, 1].map((index) =>
    openCoordination({ url: server.url, identity: `controller-${index}`, prefix: `${keyPrefix}-services` }),
  );
  await Promise.all(coordinations.map((coordination) => coordination.ready()));
  const runs = createJobRunStore(coordinations[0]!.redis, keyPrefix);
  coordinations.forEach((coordination, index) => {
    const controller = createJobs({
      coordination,
      snapshot: async () => snapshot,
      onWake(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      runs,
      redisUrl: server.url,
      keyPrefix,
      isLeader: () => leader === index,
      logger: silentLogger,
    });
    controllers.push(controller);
    opened.push(controller);
  });
  t.after(async () => {
    await Promise.all(opened.map((one) => one.close()));
    await Promise.all(coordinations.map((coordination) => coordination.close()));
    web.closeAllConnections();
    web.close();
  });
  const queue = () => server.client().zrange(`{${keyPrefix}}:bull:jobs:repeat`, '0', '-1');
  return {
    ticks,
    runs,
    controllers,
    keyPrefix,
    records: createCronRecords(coordinations[0]!),
    schedules: queue,
    lead(index: number) {
      leader = index;
    },
    change(next: Partial<Snapshot> | Record<string, unknown>, isJobs = false) {
      snapshot = isJobs ? snapshotOf(next as Record<string, unknown>, port) : { ...snapshot, ...next };
      for (const listener of listeners) listener({ version: 1, kind: 'desired' });
    },
  };
}

function snapshotOf(jobs: Record<string, unknown>, port: number): Snapshot {
  const target = { revision: 1, generation: 0 };
  return {
    ...{ generation: 'g', version: 1, term: 1, deployments: [], routers: [] },
    nodes: [sampleNode({ id: 'node-1', name: 'host-1', address: '127.0.0.1' })],
    services: [
      {
        ...{ name: 'shop', target, stable: target, scale: { instances: 1 }, stopped: false, deleted: false },
        ...{ deploymentId: null, lastRevision: 1, createdAt: 0, updatedAt: 0 },
      },
    ],
    revisions: [
      {
        spec: serviceSpecSchema.parse({ name: 'shop', script: 'server.js', jobs }),
        ...{ service: 'shop', revision: 1, artifact: null, createdAt: 0, createdBy: 'user:admin' },
      },
    ],
    instances: [sampleInstance({ id: 'i-1', service: 'shop', port, status: { port } })],
    routes: { epoch: 0, generation: 'g', services: [] },
  };
}

test('two controllers and every tick once, in order, with rising fences', async (t) => {
  const stage = await open(t, { expire: { ...everySecond, run: request } });
  await eventually(() => stage.ticks.length >= 3, { timeoutMs: 15_000 });
  const instants = stage.ticks.map(({ tick }) => new Date(tick).getTime());
  assert.deepEqual(
    instants,
    instants.map((_, index) => instants[0]! + 1_000 * index),
  );
  assert.ok(stage.ticks.every(({ fence }, index) => index === 0 || fence > stage.ticks[index - 1]!.fence));
  const history = await eventually(async () => {
    const records = await stage.records.history('shop/expire');
    return records.length >= 2 && records;
  });
  assert.deepEqual(
    [history[0]?.outcome, history[0]?.result],
    ['succeeded', { instanceId: 'i-1', status: 200, body: 'done' }],
  );
  const [view] = await stage.records.list();
  assert.equal(view?.name, 'shop/expire');
  assert.deepEqual([...(view?.hosts ?? [])].sort(), ['controller-0', 'controller-1']);
});

test('a tick that BullMQ tells several times starts once', async (t) => {
  const stage = await open(t, { expire: { ...everySecond, run: request } });
  const queue = new Queue('jobs', { connection: server.client(), prefix: `{${stage.keyPrefix}}:bull` });
  t.after(() => queue.close());
  await eventually(() => stage.ticks.length >= 1, { timeoutMs: 15_000 });
  await queue.addBulk(Array.from({ length: 40 }, () => ({ name: 'shop/expire', data: {} })));
  const before = stage.ticks.length;
  await eventually(() => stage.ticks.length >= before + 2, { timeoutMs: 15_000 });
  assert.equal(new Set(stage.ticks.map(({ tick }) => tick)).size, stage.ticks.length);
});

test('a controller that becomes leader mends a schedule that was lost', async (t) => {
  const stage = await open(t, { expire: { ...everySecond, run: request } });
  await eventually(() => stage.ticks.length >= 1, { timeoutMs: 15_000 });
  const redis = server.client();
  await redis.del(...(await redis.keys(`{${stage.keyPrefix}}:bull:jobs:*`)));
  stage.lead(1);
  stage.change({});
  await eventually(async () => (await stage.schedules()).length === 1, { timeoutMs: 10_000 });
  const before = stage.ticks.length;
  await eventually(() => stage.ticks.length >= before + 2, { timeoutMs: 15_000 });
});

test('a job that has left the file has no schedule, and neither has a service that was stopped', async (t) => {
  const jobs = { one: { schedule: far, run: request }, two: { schedule: far, run: request } };
  const stage = await open(t, jobs);
  const schedules = async (...names: string[]) => {
    await eventually(async () => assert.deepEqual((await stage.schedules()).sort(), names), { timeoutMs: 10_000 });
  };
  await schedules('shop/one', 'shop/two');
  stage.change({ two: jobs.two }, true);
  await schedules('shop/two');
  const services = snapshotOf({}, 1).services.map((service) => ({ ...service, stopped: true }));
  stage.change({ services });
  await schedules();
});

test('a run that is asked for by hand runs now, and one without a healthy instance fails and says so', async (t) => {
  const stage = await open(t, { expire: { schedule: far, run: request } });
  await eventually(async () => (await stage.records.list()).length === 1, { timeoutMs: 10_000 });
  await stage.records.trigger('shop/expire');
  await eventually(() => stage.ticks.length === 1);
  await eventually(async () => (await stage.records.history('shop/expire')).length === 1);
  stage.change({ instances: [] });
  await stage.records.trigger('shop/expire');
  const [record] = await eventually(async () => {
    const records = await stage.records.history('shop/expire');
    return records.length === 2 && records;
  });
  assert.deepEqual([record?.outcome, record?.error], ['failed', 'shop has no healthy instance that listens']);
});

test('while a job is paused nothing runs', async (t) => {
  const stage = await open(t, { expire: { ...everySecond, run: request } });
  await eventually(() => stage.ticks.length >= 1, { timeoutMs: 15_000 });
  await stage.records.pause('shop/expire');
  const redis = server.client();
  const [pausedAt] = await redis.time();
  await eventually(async () => Number((await redis.time())[0]) >= Number(pausedAt) + 3, { timeoutMs: 10_000 });
  const late = stage.ticks.filter(({ tick }) => new Date(tick).getTime() > (Number(pausedAt) + 1) * 1_000);
  assert.deepEqual(late, []);
  await stage.records.resume('shop/expire');
  const before = stage.ticks.length;
  await eventually(() => stage.ticks.length > before, { timeoutMs: 15_000 });
});

const ended = (change: Partial<JobRunStatus>): JobRunStatus => ({
  ...{ state: 'ended', outcome: 'succeeded', code: 0, signal: null, reason: '', lastLines: [], durationMs: 7 },
  ...change,
});

test('a process is wanted on an eligible node, and its end is that of the run', async (t) => {
  const stage = await open(t, { report: { schedule: far, run: script, maxRunMs: 5_000 } });
  await eventually(async () => (await stage.records.list()).length === 1, { timeoutMs: 10_000 });
  await stage.records.trigger('shop/report');
  const { run } = await eventually(async () => (await stage.runs.list())[0] ?? false);
  assert.deepEqual([run.nodeId, run.spec.script, run.spec.jobs, run.maxRunMs], ['node-1', 'work.js', undefined, 5_000]);
  await stage.runs.report('node-1', [
    { runId: run.runId, status: ended({ outcome: 'timed-out', code: null, signal: 'SIGINT', reason: 'slow' }) },
  ]);
  const [record] = await eventually(async () => {
    const records = await stage.records.history('shop/report');
    return records.length > 0 && records;
  });
  assert.deepEqual(
    [record?.outcome, record?.error, record?.durationMs, record?.result],
    ['timed-out', 'slow', 7, { node: 'host-1', code: null, signal: 'SIGINT' }],
  );
  await eventually(async () => (await stage.runs.list()).length === 0);
});

test('a process whose node is lost is lost with it, and is not run elsewhere', async (t) => {
  const stage = await open(t, { report: { schedule: far, run: script } });
  await eventually(async () => (await stage.records.list()).length === 1, { timeoutMs: 10_000 });
  await stage.records.trigger('shop/report');
  await eventually(async () => (await stage.runs.list()).length === 1);
  stage.change({ nodes: [sampleNode({ id: 'node-1', name: 'host-1', state: 'lost' }), sampleNode({ id: 'node-2' })] });
  const [record, ...more] = await eventually(async () => {
    const records = await stage.records.history('shop/report');
    return records.length > 0 && records;
  });
  assert.deepEqual([record?.outcome, record?.error, more.length], ['lost', 'its node host-1 was lost', 0]);
  await eventually(async () => (await stage.runs.list()).length === 0);
});

test('a process that no node can take fails with what the nodes lack', async (t) => {
  const stage = await open(t, { report: { schedule: far, run: script } });
  stage.change({ nodes: [sampleNode({ id: 'node-1', eligibility: 'draining' })] });
  await eventually(async () => (await stage.records.list()).length === 1, { timeoutMs: 10_000 });
  await stage.records.trigger('shop/report');
  const [record] = await eventually(async () => {
    const records = await stage.records.history('shop/report');
    return records.length > 0 && records;
  });
  assert.deepEqual([record?.outcome, record?.error], ['failed', 'no node can take it: 1 node: 1 draining']);
});
