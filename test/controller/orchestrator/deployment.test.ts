import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, Instance } from '../../../shared/contracts/entities.ts';
import {
  decideAfter,
  type Moment,
  makeDeployment,
  makeInstance,
  makeNode,
  makeService,
  makeSnapshot,
  makeSpec,
  only,
} from './cluster-fixture.ts';

const taken = 'infrastructure: port 20004 is taken by another process';

/** One attempt of deployment d1 to fill `slot` with revision 2. */
function attempt(id: string, createdAt: number, change: Partial<Instance['status']> = {}, slot = 0): Instance {
  const status = { state: 'failed', health: 'unknown', healthyForMs: 0, reason: taken, ...change } as const;
  return makeInstance(id, { slot, revision: 2, deploymentId: 'd1', createdAt, status });
}

/** Their heartbeats are heard. */
const nodesAt = (atMs: number) => ['n0', 'n1', 'n2'].map((id) => makeNode(id, { heartbeat: atMs }));

/** Slots with revision 1 each, in a deployment to revision 2. */
function at(atMs: number, attempts: readonly Instance[], change: Partial<Deployment> = {}, slots = 1): Moment {
  const scale = { instances: slots };
  const old = Array.from({ length: slots }, (_, slot) => makeInstance(`old-${slot}`, { slot, nodeId: `n${slot % 3}` }));
  const target = change.state === 'rolling-back' ? { revision: 1, generation: 0 } : { revision: 2, generation: 0 };
  const snapshot = makeSnapshot({
    nodes: nodesAt(atMs),
    specs: [makeSpec({ scale }), makeSpec({ scale, args: ['v2'] })],
    services: [makeService({ target, scale, deploymentId: 'd1', lastRevision: 2 })],
    deployments: [makeDeployment({ progress: { total: slots, updated: 0, healthy: 0 }, ...change })],
    instances: [...old, ...attempts],
  });
  return { atMs, snapshot };
}

const changes = (...moments: Moment[]) =>
  only(decideAfter(...moments), 'updateDeployment').filter(({ state }) => state !== 'rolling');

test('a deployment whose every attempt the infrastructure fails goes back after the health deadline, and says why', () => {
  const begun = [at(0, []), at(1_000, [attempt('a', 1)])];
  assert.deepEqual(changes(...begun, at(60_900, [attempt('a', 1), attempt('b', 2)])), []);
  const [step] = changes(...begun, at(61_000, [attempt('a', 1), attempt('b', 2)]));
  assert.equal(step?.state, 'rolling-back');
  assert.equal(step?.reason, `slot 0 on n0: no attempt got healthy within 60000 ms: ${taken}`);
  assert.deepEqual(
    step?.failures.map(({ instanceId }) => instanceId),
    ['b'],
  );
});

test('an attempt that is under way when the deadline is over may still succeed', () => {
  const begun = [at(0, []), at(1_000, [attempt('a', 1)])];
  const starting = attempt('b', 2, { state: 'starting', reason: '' });
  assert.deepEqual(
    changes(...begun, at(59_000, [attempt('a', 1), starting]), at(61_000, [attempt('a', 1), starting])),
    [],
  );
});

test('the deadline of a slot counts from its first attempt that the infrastructure fails, however long others took', () => {
  assert.deepEqual(changes(at(0, []), at(300_000, [attempt('a', 1)])), []);
  assert.deepEqual(changes(at(0, []), at(1_000, [attempt('a', 1)]), at(300_000, [attempt('b', 2)])).length, 1);
});

test('what a host needs to prepare an attempt is not counted, and preparations elsewhere hold nothing up', () => {
  const preparing = (id: string, slot = 0) => attempt(id, 2, { state: 'preparing', reason: '' }, slot);
  const begun = [at(0, [], {}, 2), at(1_000, [attempt('a', 1)], {}, 2)];
  const slow = [...begun, at(2_000, [attempt('a', 1), preparing('b')], {}, 2)];
  const prepared = [...slow, at(72_000, [attempt('a', 1), attempt('b', 2)], {}, 2)];
  assert.deepEqual(changes(...prepared), []);
  const again = [attempt('a', 1), attempt('b', 2), attempt('c', 3)];
  assert.deepEqual(changes(...prepared, at(130_900, again, {}, 2)), []);
  assert.equal(changes(...prepared, at(131_000, again, {}, 2)).length, 1);
  const others = [attempt('a', 1), attempt('b', 2), preparing('c', 1)];
  assert.equal(changes(...begun, at(61_000, others, {}, 2)).length, 1);
});

test('a slot that gets on keeps its deployment going', () => {
  const begun = [at(0, [], {}, 2), at(1_000, [attempt('a', 1)], {}, 2)];
  const progress = { total: 2, updated: 1, healthy: 1 };
  const later = [attempt('a', 1), attempt('b', 2)];
  assert.deepEqual(changes(...begun, at(50_000, later, { progress }, 2), at(61_000, later, { progress }, 2)), []);
});

test('a rollback whose every attempt the infrastructure fails ends as failed and says why', () => {
  const back = { kind: 'rollback', from: null } as const;
  const begun = [at(0, [], back), at(1_000, [attempt('a', 1)], back)];
  const [step] = changes(...begun, at(61_000, [attempt('a', 1), attempt('b', 2)], back));
  assert.equal(step?.state, 'failed');
  assert.match(step?.reason ?? '', /^1 of 1 slots were not restored within 60000 ms \(.*port 20004 is taken/);
});

test('a first deployment that has failed is not tried again by itself, however long ago', () => {
  const failed = makeInstance('a', { deploymentId: 'd1', status: { state: 'failed', reason: 'exited with code 1' } });
  const services = [makeService({ stable: null })];
  const seen = (atMs: number) => ({
    atMs,
    snapshot: makeSnapshot({ nodes: nodesAt(atMs), services, instances: [failed] }),
  });
  assert.deepEqual(decideAfter(seen(0), seen(3_600_000)), []);
});

test('a deployment does not succeed while the node is silent on which an instance is still watched', () => {
  const at = (atMs: number, heartbeat: number, healthyForMs = 0) => {
    const instances = [makeInstance('new', { revision: 2, deploymentId: 'd1', status: { healthyForMs } })];
    const target = { revision: 2, generation: 0 };
    const services = [makeService({ target, deploymentId: 'd1', lastRevision: 2 })];
    const specs = [makeSpec(), makeSpec({ args: ['v2'] })];
    const nodes = nodesAt(heartbeat);
    return { atMs, snapshot: makeSnapshot({ nodes, specs, services, deployments: [makeDeployment()], instances }) };
  };
  const { monitorMs } = makeSpec().update;
  assert.deepEqual(changes(at(0, 1), at(monitorMs - 500, 2), at(monitorMs + 500, 2)), []);
  const heard = changes(at(0, 1), at(monitorMs - 500, 2), at(monitorMs + 500, 3));
  assert.deepEqual(
    heard.map(({ state }) => state),
    ['succeeded'],
  );
  assert.equal(
    changes(at(0, 1), at(100, 1, monitorMs)).length,
    1,
    'its agent says that it has been well for long enough',
  );
});
