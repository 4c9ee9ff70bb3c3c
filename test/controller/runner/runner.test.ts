import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { createRunner, type Runner } from '../../../controller/runner/create-runner.ts';
import { createReconcile, type Reconcile } from '../../../controller/runner/reconcile.ts';
import type { LeaderAction } from '../../../shared/contracts/leader-action.ts';
import { readLeader } from '../../../shared/coordination/election/read-leader.ts';
import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { connectRedis } from '../../../shared/redis/connect.ts';
import { electionPrefix } from '../../../shared/redis/keys.ts';
import { createStore, leaderElection } from '../../../shared/redis/store/create-store.ts';
import { systemClock } from '../../../shared/runtime/clock.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import {
  create,
  join,
  node,
  openStore,
  request,
  type StoreFixture,
  spec,
} from '../../shared/redis/store/support/store-fixture.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startRedis } from '../../support/redis.ts';

const redis = await startRedis({ after }, { appendonly: true });
const ttlMs = 1_500;
let clusters = 0;

/** A cluster under a prefix of its own, whose first leader need not wait for an earlier one's lease to end. */
async function openCluster(t: Lifetime): Promise<StoreFixture> {
  const fixture = await openStore(t, redis, `cluster${++clusters}`);
  await seedBoot(fixture.client, electionPrefix(fixture.prefix));
  return fixture;
}

async function startRunner(
  t: Lifetime,
  { prefix }: StoreFixture,
  controllerId: string,
  reconcile?: Reconcile,
): Promise<Runner> {
  const [commands, lease, messages] = (['coord', 'coord', 'pubsub'] as const).map((profile) =>
    connectRedis(redis.url, profile),
  );
  const connections = [commands!, lease!, messages!];
  await Promise.all(connections.map((connection) => connection.ready()));
  const store = await createStore({
    redis: commands!.client,
    subscriber: messages!.client,
    prefix,
    logger: silentLogger,
    commandTimeoutMs: 500,
  });
  let ids = 0;
  const runner = createRunner({
    store,
    redis: lease!.client,
    subscriber: messages!.client,
    prefix,
    controllerId,
    ttlMs,
    logger: silentLogger,
    clock: systemClock,
    createReconcile: () => reconcile ?? createReconcile(() => `${controllerId}-${++ids}`),
  });
  runner.start();
  t.after(async () => {
    await runner.close();
    await store.close();
    for (const connection of connections) await connection.close();
  });
  return runner;
}

async function spawnRunner(
  t: Lifetime,
  { prefix }: StoreFixture,
  controllerId: string,
  failpoints = '',
): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('runner-process.ts', import.meta.url));
  const child = spawn(process.execPath, [program, redis.url, prefix, controllerId, failpoints], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  await once(child.stdout!, 'data');
  return child;
}

const leader = async ({ client, prefix }: StoreFixture) =>
  (await readLeader(client, leaderElection, electionPrefix(prefix)))?.identity;

const types = async ({ store }: StoreFixture) => (await store.events.tail(1_000)).map(({ type }) => type);

/** Keeps a node alive, as its agent does, until the test ends. */
function beat(t: Lifetime, { store }: StoreFixture, ...nodeIds: readonly string[]): void {
  const usage = { cpu: 0, memoryBytes: 0, load1: 0 };
  const timer = setInterval(() => {
    for (const id of nodeIds) store.nodes.heartbeat(id, usage).catch(() => {});
  }, 200);
  t.after(() => clearInterval(timer));
}

test('the leader fills the slots of a service as soon as it is deployed', async (t) => {
  const fixture = await openCluster(t);
  await join(fixture, node('a'), node('b'));
  beat(t, fixture, 'node-a', 'node-b');
  const runner = await startRunner(t, fixture, 'c1');
  await eventually(() => runner.isLeader());
  await fixture.store.services.deploy('web', request(spec('web', { scale: { instances: 4 } })));
  const instances = await eventually(async () => {
    const found = await fixture.store.instances.list({ service: 'web' });
    assert.equal(found.length, 4);
    return found;
  });
  assert.deepEqual(instances.map(({ slot }) => slot).sort(), [0, 1, 2, 3]);
  assert.equal(instances.filter(({ nodeId }) => nodeId === 'node-a').length, 2);
  assert.ok((await types(fixture)).includes('leader.elected'));
});

test('a leader that closes is followed at once, and says that it resigned', async (t) => {
  const fixture = await openCluster(t);
  const first = await startRunner(t, fixture, 'c1');
  await eventually(() => first.isLeader());
  const second = await startRunner(t, fixture, 'c2');
  assert.equal(second.isLeader(), false);
  await first.close();
  await eventually(() => second.isLeader(), { timeoutMs: ttlMs });
  assert.ok(second.status().term! > 0);
  assert.ok((await types(fixture)).includes('leader.resigned'));
});

test('an action that never fits holds nothing else up', async (t) => {
  const fixture = await openCluster(t);
  await join(fixture, node('a', { ports: { from: 30_000, to: 30_000 } }));
  await fixture.store.services.deploy('web', request(spec('web')));
  const actions: LeaderAction[] = [
    create('i1', 'web', { slot: 1 }),
    create('i2', 'web', { slot: 2 }),
    { type: 'setDesired', instanceId: 'i1', desired: 'drain', reason: 'x' },
  ];
  let looks = 0;
  const reconcile: Reconcile = () => {
    looks++;
    return actions;
  };
  const runner = await startRunner(t, fixture, 'c1', reconcile);
  await eventually(async () => assert.equal((await fixture.store.instances.get('i1'))?.desired, 'drain'));
  assert.ok(runner.isLeader());
  assert.ok(looks > 0);
  const failures = (await types(fixture)).filter((type) => type === 'placement.failed');
  assert.equal(failures.length, 1, 'told once');
});

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  test(`another leads within 5 s of the leader's ${signal}, and the deploy goes on`, async (t) => {
    const fixture = await openCluster(t);
    await join(fixture, node('a'));
    beat(t, fixture, 'node-a');
    const child = await spawnRunner(t, fixture, 'first');
    await eventually(async () => assert.equal(await leader(fixture), 'first'), { timeoutMs: 10_000 });
    const second = await startRunner(t, fixture, 'second');
    const oldTerm = (await fixture.store.leader.snapshot()).term;
    child.kill(signal);
    await fixture.store.services.deploy('web', request(spec('web')));
    await eventually(() => second.isLeader(), { timeoutMs: 5_000 });
    await eventually(async () => assert.equal((await fixture.store.instances.list({ service: 'web' })).length, 1));

    child.kill('SIGCONT');
    const late: LeaderAction = { type: 'setNodeState', nodeId: 'node-a', state: 'lost', reason: 'late' };
    await assert.rejects(fixture.store.leader.apply(oldTerm, 'first', late), { code: 'LEASE_LOST' });
    assert.equal(await leader(fixture), 'second');
  });
}

test('a leader that dies between two steps leaves nothing that the next cannot finish', async (t) => {
  const fixture = await openCluster(t);
  await join(fixture, node('a'));
  beat(t, fixture, 'node-a');
  await fixture.store.services.deploy('web', request(spec('web', { scale: { instances: 3 } })));
  const child = await spawnRunner(t, fixture, 'first', 'runner.after-apply.createInstance=exit');
  await eventually(() => assert.equal(child.signalCode, 'SIGKILL'), { timeoutMs: 15_000 });
  assert.equal((await fixture.store.instances.list({ service: 'web' })).length, 1);
  await startRunner(t, fixture, 'second');
  await eventually(async () => assert.equal((await fixture.store.instances.list({ service: 'web' })).length, 3), {
    timeoutMs: 10_000,
  });
});

test('after a pause of Redis the leader leads on, and says that the store recovered', async (t) => {
  const fixture = await openCluster(t);
  const runner = await startRunner(t, fixture, 'c1');
  await eventually(() => runner.isLeader());
  redis.pause();
  try {
    await eventually(() => assert.equal(runner.status().storeDown, true), { timeoutMs: 10_000 });
  } finally {
    redis.resume();
  }
  await eventually(async () => assert.ok((await types(fixture)).includes('store.recovered')), { timeoutMs: 10_000 });
  assert.equal(runner.status().storeDown, false);
});
