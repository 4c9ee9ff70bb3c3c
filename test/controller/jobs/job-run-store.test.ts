import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createJobRunStore } from '../../../controller/jobs/job-run-store.ts';
import type { JobRunStatus } from '../../../shared/contracts/job-run.ts';
import { createKeys } from '../../../shared/redis/keys.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';
import { sampleRun } from '../../support/sample-job-run.ts';

const server = await startRedis({ after });
const redis = server.client();

const status = (change: Partial<JobRunStatus>): JobRunStatus => ({
  ...{ state: 'running', outcome: null, code: null, signal: null, reason: '', lastLines: [], durationMs: 0 },
  ...change,
});

function open(prefix: string) {
  const store = createJobRunStore(redis, prefix);
  const version = async () => Number((await redis.get(createKeys(prefix).version)) ?? 0);
  return { store, version };
}

test('a run that is wanted twice is one run, on the node of the first time', async () => {
  const { store, version } = open('twice');
  assert.equal(await store.create(sampleRun({ nodeId: 'n-1' })), 'created');
  assert.equal(await store.create(sampleRun({ nodeId: 'n-2' })), 'exists');
  assert.deepEqual(await store.list(), [{ run: sampleRun({ nodeId: 'n-1' }), status: null }]);
  assert.equal(await version(), 1, 'agents fetch their plans when the version changes');
});

test('each wish changes the version once, and its node is woken', async () => {
  const { store, version } = open('wishes');
  const heard: string[] = [];
  const subscriber = server.client();
  await subscriber.subscribe(createKeys('wishes').wake);
  subscriber.on('message', (_channel, message) => heard.push(message));
  await store.create(sampleRun());
  await store.stop(sampleRun(), 'why');
  await store.stop(sampleRun(), 'why again');
  assert.equal((await store.list())[0]?.run.desired, 'stop');
  await store.remove(sampleRun());
  await store.remove(sampleRun());
  await store.stop(sampleRun(), 'too late');
  assert.deepEqual(await store.list(), []);
  assert.equal(await version(), 3);
  await eventually(() => assert.equal(heard.length, 3));
  assert.deepEqual(
    heard.map((message) => JSON.parse(message) as unknown),
    [1, 2, 3].map((number) => ({ version: number, kind: 'desired', nodes: ['n-1'] })),
  );
});

test('states only advance, and only the node of a run may tell of it', async () => {
  const { store } = open('reports');
  await store.create(sampleRun());
  const stored = async () => (await store.list())[0]?.status?.state;
  await store.report('n-2', [{ runId: 'j-1', status: status({ state: 'ended', outcome: 'succeeded' }) }]);
  assert.equal(await stored(), undefined);
  await store.report('n-1', [{ runId: 'j-1', status: status({}) }]);
  assert.equal(await stored(), 'running');
  await store.report('n-1', [{ runId: 'j-1', status: status({ state: 'ended', outcome: 'failed', code: 3 }) }]);
  await store.report('n-1', [{ runId: 'j-1', status: status({}) }]);
  await store.report('n-1', [{ runId: 'j-1', status: status({ state: 'ended', outcome: 'succeeded' }) }]);
  assert.deepEqual((await store.list())[0]?.status, status({ state: 'ended', outcome: 'failed', code: 3 }));
});

test('of a run that is not wanted nothing is kept', async () => {
  const { store } = open('unknown');
  await store.report('n-1', [{ runId: 'j-9', status: status({}) }]);
  assert.deepEqual(await store.list(), []);
  assert.deepEqual(await redis.keys('{unknown}*'), []);
});
