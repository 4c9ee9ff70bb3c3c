import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instance, RoutedService } from '../../../shared/contracts/entities.ts';
import type { ServiceSpecInput } from '../../../shared/contracts/spec.ts';
import {
  type ClusterParts,
  decideAfter,
  decideOn,
  LATER_MS,
  type Moment,
  makeDeployment,
  makeInstance,
  makeNode,
  makeService,
  makeSnapshot,
  makeSpec,
  only,
} from './cluster-fixture.ts';

const v2 = { revision: 2, generation: 0 };

/** `count` slots on v1, each with its instance, in a deployment to v2. */
function rolling(count: number, more: readonly Instance[] = [], spec: Partial<ServiceSpecInput> = {}): ClusterParts {
  const scale = { instances: count };
  const specs = [makeSpec({ ...spec, scale }), makeSpec({ ...spec, scale, args: ['v2'] })];
  const update = specs[1]?.update ?? makeSpec().update;
  const old = Array.from({ length: count }, (_, slot) => makeInstance(`old-${slot}`, { slot, nodeId: `n${slot % 3}` }));
  return {
    specs,
    services: [makeService({ target: v2, scale, deploymentId: 'd1', lastRevision: 2 })],
    deployments: [makeDeployment({ update })],
    instances: [...old.filter(({ slot }) => !more.some((m) => m.slot === slot && m.id.startsWith('old-'))), ...more],
  };
}

function fresh(id: string, slot: number, status: Partial<Instance['status']> = {}): Instance {
  return makeInstance(id, { slot, revision: 2, deploymentId: 'd1', status, createdAt: 2 });
}

test('a first deployment fills all slots at once', () => {
  const actions = decideOn({
    specs: [makeSpec({ scale: { instances: 5 } })],
    services: [makeService({ stable: null, scale: { instances: 5 }, deploymentId: 'd1' })],
    deployments: [makeDeployment({ from: null, to: { revision: 1, generation: 0 } })],
  });
  assert.deepEqual(
    only(actions, 'createInstance').map(({ slot }) => slot),
    [0, 1, 2, 3, 4],
  );
});

test('start-first begins a third of the slots and takes nothing away', () => {
  const actions = decideOn(rolling(6));
  assert.deepEqual(
    only(actions, 'createInstance').map(({ slot }) => slot),
    [0, 1],
  );
  assert.deepEqual(only(actions, 'setDesired'), []);
});

test('an old instance leaves once its replacement is ready', () => {
  const waiting = decideOn(rolling(3, [fresh('new', 0, { health: 'unknown', healthyForMs: 0 })]));
  assert.deepEqual(only(waiting, 'setDesired'), []);
  const ready = decideOn(rolling(3, [fresh('new', 0)]));
  assert.deepEqual(
    only(ready, 'setDesired').map(({ instanceId, desired }) => [instanceId, desired]),
    [['old-0', 'stop']],
  );
});

test('with routes an old instance stays until its replacement is in the routing table', () => {
  const parts = rolling(1, [fresh('new', 0)], { routes: [{ path: '/' }] });
  const first = decideOn(parts);
  assert.deepEqual(only(first, 'setDesired'), []);
  const services = only(first, 'publishRoutes')[0]?.services as RoutedService[];
  assert.ok(services[0]?.endpoints.some(({ instanceId }) => instanceId === 'new'));
  const second = decideOn({ ...parts, routes: { epoch: 1, generation: 'g', services } });
  assert.equal(only(second, 'setDesired')[0]?.desired, 'drain');
  assert.deepEqual(only(second, 'publishRoutes')[0]?.drained, ['old-0']);
});

test('stop-first takes away what maxParallel allows, and creates in slots that are free', () => {
  const stopFirst = { update: { order: 'stop-first' as const, maxParallel: 2 } };
  const first = decideOn(rolling(4, [], stopFirst));
  assert.deepEqual(
    only(first, 'setDesired').map(({ instanceId }) => instanceId),
    ['old-0', 'old-1'],
  );
  assert.deepEqual(only(first, 'createInstance'), []);
  const gone = makeInstance('old-0', { slot: 0, desired: 'stop', status: { state: 'stopped' } });
  const second = decideOn(rolling(4, [gone], { update: { order: 'stop-first', maxParallel: 1 } }));
  assert.deepEqual(
    only(second, 'createInstance').map(({ slot }) => slot),
    [0],
  );
  assert.deepEqual(only(second, 'setDesired'), []);
});

test('a failed instance over the budget rolls the service back and names node, reason and last lines', () => {
  const lastExit = { code: 1, signal: null, at: 7, uptimeMs: 1, reason: 'exited', lastLines: ['boom'] };
  const failed = fresh('new', 0, { state: 'failed', reason: 'exited with code 1', lastExit });
  const [step] = only(decideOn(rolling(3, [failed])), 'updateDeployment');
  assert.equal(step?.state, 'rolling-back');
  assert.deepEqual(step?.service?.target, { revision: 1, generation: 0 });
  assert.deepEqual(step?.failures, [
    { instanceId: 'new', slot: 0, node: 'n0', reason: 'exited with code 1', lastLines: ['boom'], at: 7 },
  ]);
});

test('a failure of the infrastructure counts for nothing', () => {
  const failed = fresh('new', 0, { state: 'failed', reason: 'infrastructure: no controller answered' });
  assert.ok(!only(decideOn(rolling(3, [failed])), 'updateDeployment').some(({ state }) => state !== 'rolling'));
});

test('a port that a stranger holds is answered with another instance at once, but not for ever', () => {
  const taken = (id: string) =>
    fresh(id, 0, { state: 'failed', reason: 'infrastructure: port 20004 is taken by another process' });
  const tried = (count: number) =>
    only(
      decideOn(
        rolling(
          3,
          Array.from({ length: count }, (_, index) => taken(`new${index}`)),
        ),
      ),
      'createInstance',
    );
  assert.ok(tried(2).some(({ slot }) => slot === 0));
  assert.ok(!tried(3).some(({ slot }) => slot === 0));
});

test('an instance that turns unhealthy while it is watched fails its deployment', () => {
  const healthy = makeSnapshot(rolling(1, [fresh('new', 0, { healthyForMs: 100 })]));
  const sick = makeSnapshot(rolling(1, [fresh('new', 0, { health: 'unhealthy', healthyForMs: 0, reason: '503' })]));
  const actions = decideAfter({ atMs: LATER_MS, snapshot: healthy }, { atMs: LATER_MS + 1_000, snapshot: sick });
  assert.match(only(actions, 'updateDeployment')[0]?.reason ?? '', /turned unhealthy.*503/);
});

test('an instance that is never healthy fails its deployment at the deadline', () => {
  const snapshot = makeSnapshot(rolling(1, [fresh('new', 0, { health: 'unknown', healthyForMs: 0 })]));
  const before = decideAfter({ atMs: 0, snapshot }, { atMs: 59_900, snapshot });
  assert.ok(!only(before, 'updateDeployment').some(({ state }) => state !== 'rolling'));
  const after = decideAfter({ atMs: 0, snapshot }, { atMs: 60_000, snapshot });
  assert.equal(only(after, 'updateDeployment')[0]?.state, 'rolling-back');
});

test('the deadline begins when an instance starts: what a host needs to prepare it has a deadline of its own', () => {
  const at = (atMs: number, state: Instance['status']['state']) => ({
    atMs,
    snapshot: makeSnapshot(rolling(1, [fresh('new', 0, { state, health: 'unknown', healthyForMs: 0 })])),
  });
  const failure = (...moments: Moment[]) =>
    only(decideAfter(...moments), 'updateDeployment').find(({ state }) => state === 'rolling-back')?.reason;
  const begun = [at(0, 'assigned'), at(100, 'preparing')];
  assert.equal(failure(...begun, at(1_200_000, 'preparing')), undefined);
  assert.equal(failure(...begun, at(900_000, 'starting'), at(959_900, 'starting')), undefined);
  assert.match(
    failure(...begun, at(900_000, 'starting'), at(960_000, 'starting')) ?? '',
    /not healthy within 60000 ms/,
  );
  assert.match(failure(...begun, at(1_200_100, 'preparing')) ?? '', /not prepared within 1200000 ms/);
  assert.match(failure(at(0, 'assigned'), at(60_000, 'assigned')) ?? '', /not healthy within 60000 ms/);
});

test('a rollback is not given up while a host prepares what it goes back to, nor before that could get healthy', () => {
  const target = { revision: 1, generation: 0 };
  const at = (atMs: number, state: Instance['status']['state']) => ({
    atMs,
    snapshot: makeSnapshot({
      ...rolling(1),
      services: [makeService({ target, deploymentId: 'd1', lastRevision: 2 })],
      deployments: [makeDeployment({ state: 'rolling-back', progress: { total: 1, updated: 1, healthy: 0 } })],
      instances: [makeInstance('old', { status: { state, health: 'unknown', healthyForMs: 0 } })],
    }),
  });
  const ends = (...moments: Moment[]) => only(decideAfter(...moments), 'updateDeployment').map(({ state }) => state);
  assert.deepEqual(ends(at(0, 'preparing'), at(600_000, 'preparing')), []);
  assert.deepEqual(ends(at(0, 'preparing'), at(600_000, 'starting'), at(659_900, 'starting')), []);
  assert.deepEqual(ends(at(0, 'preparing'), at(600_000, 'starting'), at(660_000, 'starting')), ['failed']);
});

test('a rollback whose instances fail again and again ends as failed: to fill a slot once more is no progress', () => {
  const at = (atMs: number, tries: number, state: 'assigned' | 'starting' | 'failed') => ({
    atMs,
    snapshot: makeSnapshot({
      ...rolling(1),
      services: [makeService({ deploymentId: 'd1', lastRevision: 2 })],
      deployments: [
        makeDeployment({
          state: 'rolling-back',
          progress: { total: 1, updated: state === 'failed' ? 0 : 1, healthy: 0 },
        }),
      ],
      instances: Array.from({ length: tries }, (_, index) => {
        const status = { state: index < tries - 1 ? 'failed' : state, health: 'unknown', healthyForMs: 0 } as const;
        return makeInstance(`try-${index}`, { deploymentId: 'd1', createdAt: index + 1, status });
      }),
    }),
  });
  const moments = [1, 2, 3, 4].flatMap((tries) => [
    at(tries * 30_000, tries, 'assigned'),
    at(tries * 30_000 + 100, tries, 'starting'),
    at(tries * 30_000 + 15_000, tries, 'failed'),
  ]);
  const ends = (...seen: Moment[]) => only(decideAfter(...seen), 'updateDeployment').map(({ state }) => state);
  assert.deepEqual(ends(...moments.slice(0, 6)), []);
  assert.deepEqual(ends(...moments.slice(0, 8)), ['failed']);
  assert.deepEqual(ends(at(0, 1, 'assigned'), at(60_000, 1, 'assigned')), ['failed']);
});

test('a deploy of another count alone that fails goes back to the count before; one that a user asked for stays', () => {
  const target = { revision: 1, generation: 0 };
  const failed = makeInstance('new', { slot: 1, deploymentId: 'd1', status: { state: 'failed', reason: 'exited' } });
  const asked = { instances: 2 };
  const decideWith = (stableScale: { instances: number }) =>
    decideOn({
      specs: [makeSpec({ scale: asked })],
      services: [makeService({ scale: asked, stableScale, deploymentId: 'd1' })],
      deployments: [makeDeployment({ kind: 'scale', from: target, to: target })],
      instances: [makeInstance('old'), failed],
    });
  assert.equal(only(decideWith({ instances: 1 }), 'updateDeployment')[0]?.state, 'rolling-back');
  assert.equal(only(decideWith(asked), 'updateDeployment')[0]?.state, 'failed');
});

test('failureAction pause stops the rollout where it is', () => {
  const failed = fresh('new', 0, { state: 'failed', reason: 'exited with code 1' });
  const parts = rolling(3, [failed], { update: { failureAction: 'pause' } });
  assert.equal(only(decideOn(parts), 'updateDeployment')[0]?.state, 'paused');
});

test('a failed first deployment ends as failed and is not tried again by itself', () => {
  const target = { revision: 1, generation: 0 };
  const failed = makeInstance('a', { deploymentId: 'd1', status: { state: 'failed', reason: 'exited with code 1' } });
  const service = makeService({ stable: null, deploymentId: 'd1' });
  const deployments = [makeDeployment({ from: null, to: target })];
  const [step] = only(decideOn({ services: [service], deployments, instances: [failed] }), 'updateDeployment');
  assert.equal(step?.state, 'failed');
  const ended = { services: [{ ...service, deploymentId: null }], instances: [failed] };
  assert.deepEqual(
    decideAfter({ atMs: 0, snapshot: makeSnapshot(ended) }, { atMs: 2_900, snapshot: makeSnapshot(ended) }),
    [],
  );
});

test('a rollback keeps a new instance until the old revision is ready in its slot', () => {
  const target = { revision: 1, generation: 0 };
  const back = (instances: readonly Instance[]): ClusterParts => ({
    ...rolling(3),
    services: [makeService({ target, scale: { instances: 3 }, deploymentId: 'd1', lastRevision: 2 })],
    deployments: [makeDeployment({ state: 'rolling-back' })],
    instances,
  });
  const kept = makeInstance('kept', { slot: 2 });
  const actions = decideOn(back([fresh('new-0', 0), fresh('new-1', 1), kept, fresh('new-2', 2)]));
  assert.deepEqual(
    only(actions, 'createInstance').map(({ slot, target: to }) => [slot, to.revision]),
    [
      [0, 1],
      [1, 1],
    ],
  );
  assert.deepEqual(
    only(actions, 'setDesired').map(({ instanceId }) => instanceId),
    ['new-2'],
  );
});

test('a deployment succeeds once all is healthy for the time it is watched and nothing else lives', () => {
  const done = { ...rolling(2), instances: [fresh('a', 0), fresh('b', 1)] };
  const [step] = only(decideOn(done), 'updateDeployment');
  assert.equal(step?.state, 'succeeded');
  assert.deepEqual(step?.service?.stable, v2);
  const watched = { ...rolling(2), instances: [fresh('a', 0), fresh('b', 1, { healthyForMs: 1_000 })] };
  assert.equal(only(decideOn(watched), 'updateDeployment')[0]?.state, 'rolling');
});

test('a slot that failed is filled again after a pause that doubles, on another node', () => {
  const failed = (id: string, at: number) =>
    makeInstance(id, { createdAt: at, status: { state: 'failed', reason: 'exited with code 1' } });
  const once = makeSnapshot({ instances: [failed('a', 1)] });
  assert.deepEqual(only(decideAfter({ atMs: 0, snapshot: once }, { atMs: 900, snapshot: once }), 'createInstance'), []);
  const [step] = only(decideAfter({ atMs: 0, snapshot: once }, { atMs: 1_000, snapshot: once }), 'createInstance');
  assert.equal(step?.nodeId, 'n1');
  const twice = makeSnapshot({ instances: [failed('a', 1), failed('b', 2)] });
  assert.deepEqual(
    only(decideAfter({ atMs: 0, snapshot: twice }, { atMs: 1_900, snapshot: twice }), 'createInstance'),
    [],
  );
});

test('the highest slots go when a service is scaled down, and all go when it is stopped', () => {
  const instances = [makeInstance('a', { slot: 0 }), makeInstance('b', { slot: 1 })];
  assert.deepEqual(
    only(decideOn({ instances }), 'setDesired').map(({ instanceId }) => instanceId),
    ['b'],
  );
  const stopped = decideOn({ services: [makeService({ stopped: true, scale: { instances: 2 } })], instances });
  assert.equal(only(stopped, 'setDesired').length, 2);
});

test('a deleted service is forgotten once nothing of it lives', () => {
  const gone = makeInstance('a', { desired: 'stop', status: { state: 'stopped' } });
  const actions = decideOn({ services: [makeService({ deleted: true })], instances: [gone] });
  assert.deepEqual(
    actions.map(({ type }) => type),
    ['removeInstance', 'removeService'],
  );
});

test('an unhealthy instance that a deployment has taken over from an earlier one does not hold it up for ever', () => {
  const sick = makeInstance('a', { revision: 2, deploymentId: 'd0', status: { health: 'unhealthy', healthyForMs: 0 } });
  const snapshot = makeSnapshot({ ...rolling(1), instances: [sick] });
  const actions = decideAfter({ atMs: 0, snapshot }, { atMs: 60_000, snapshot });
  assert.equal(only(actions, 'updateDeployment')[0]?.state, 'rolling-back');
});

/** Ended by itself as `autorestart: false` allows; it ran for less than a deployment watches unless told otherwise. */
function exited(id: string, code: number, change: Parameters<typeof makeInstance>[1] = {}): Instance {
  const reason = `autorestart is off: exited with code ${code}`;
  const lastExit = { code, signal: null, at: 7, uptimeMs: 1_000, reason, lastLines: [] };
  return makeInstance(id, {
    ...change,
    status: { state: 'stopped', health: 'unknown', healthyForMs: 0, finished: true, reason, lastExit },
  });
}

const once = [makeSpec({ restart: { autorestart: false } })];

test('a slot whose program has ended as it may stays empty, also when its host is lost, until it is started again', () => {
  const instances = [exited('a', 1)];
  assert.deepEqual(decideOn({ specs: once, instances }), []);
  const nodes = [makeNode('n0', { state: 'lost', heartbeat: 0 }), makeNode('n1')];
  assert.deepEqual(only(decideOn({ specs: once, nodes, instances }), 'createInstance'), []);
  const again = decideOn({ specs: once, services: [makeService({ startedAgain: ['a'] })], instances });
  assert.equal(only(again, 'createInstance').length, 1);
  const restarted = makeService({ target: { revision: 1, generation: 1 } });
  assert.equal(only(decideOn({ specs: once, services: [restarted], instances }), 'createInstance').length, 1);
});

test('a program that was running when its host was lost is moved, though it is not restarted where it ends', () => {
  const lost = makeInstance('a', { status: { state: 'lost' } });
  assert.equal(only(decideOn({ specs: once, instances: [lost] }), 'createInstance').length, 1);
});

test('what was stopped on its host, and has not ended by itself, gets another instance', () => {
  const stopped = makeInstance('a', { status: { state: 'stopped', reason: 'it was stopped on its host' } });
  assert.equal(only(decideOn({ specs: once, instances: [stopped] }), 'createInstance').length, 1);
});

test('a deployment of a program that is to run once succeeds when it ends with code 0, and fails with any other', () => {
  const instances = (code: number) => [exited('new', code, { revision: 2, deploymentId: 'd1', createdAt: 2 })];
  const spec = { restart: { autorestart: false } };
  const after = (code: number, more: Partial<ServiceSpecInput> = {}) =>
    only(decideOn({ ...rolling(1, [], { ...spec, ...more }), instances: instances(code) }), 'updateDeployment')[0];
  assert.equal(after(0)?.state, 'succeeded');
  assert.deepEqual(after(0)?.progress, { total: 1, updated: 1, healthy: 0 });
  assert.equal(after(1)?.state, 'rolling-back');
  assert.equal(after(0, { routes: [{ port: 80 }] })?.state, 'rolling-back', 'what is to serve has not served');
});

test('an old program that has ended is no sign that the new revision has run', () => {
  const actions = decideOn({ ...rolling(1, [], { restart: { autorestart: false } }), instances: [exited('old', 0)] });
  assert.deepEqual(
    only(actions, 'createInstance').map(({ target }) => target.revision),
    [2],
  );
  assert.ok(!only(actions, 'updateDeployment').some(({ state }) => state === 'succeeded'));
});

test('a deployment that goes back does not run again what had ended before it', () => {
  const back: ClusterParts = {
    ...rolling(1, [], { restart: { autorestart: false } }),
    services: [makeService({ deploymentId: 'd1', lastRevision: 2 })],
    deployments: [makeDeployment({ state: 'rolling-back' })],
    instances: [exited('old', 0), fresh('new', 0)],
  };
  const actions = decideOn(back);
  assert.deepEqual(only(actions, 'createInstance'), []);
  assert.deepEqual(
    only(actions, 'setDesired').map(({ instanceId }) => instanceId),
    ['new'],
  );
  const gone = { ...fresh('new', 0, { state: 'stopped' }), desired: 'stop' as const };
  const over = decideOn({ ...back, instances: [exited('old', 0), gone] });
  assert.deepEqual(only(over, 'createInstance'), []);
  assert.equal(only(over, 'updateDeployment')[0]?.state, 'rolled-back');
});

test('after a deployment has gone back, what had ended before it stays so, until it is rolled back to or started by a user', () => {
  const gone = makeInstance('new', { revision: 2, createdAt: 2, desired: 'stop', status: { state: 'stopped' } });
  const parts: ClusterParts = { specs: [...once, ...once], instances: [exited('old', 0), gone] };
  assert.deepEqual(decideOn(parts), []);
  const asked = decideOn({ ...parts, services: [makeService({ startedAgain: ['old'] })] });
  assert.equal(only(asked, 'createInstance').length, 1);
});

test('a paused deployment does not run again what had ended before it', () => {
  const failure = { instanceId: 'new', slot: 0, node: 'n0', reason: 'failed', lastLines: [], at: 1 };
  const parts: ClusterParts = {
    ...rolling(1, [], { restart: { autorestart: false } }),
    deployments: [makeDeployment({ state: 'paused', failures: [failure] })],
    instances: [exited('old', 0), fresh('new', 0, { state: 'failed' })],
  };
  assert.deepEqual(only(decideOn(parts), 'createInstance'), []);
});

test('stop-first goes on where slots of the new revision have ended as they may', () => {
  const update = { order: 'stop-first', maxParallel: 1, monitorMs: 500 } as const;
  const parts = rolling(3, [], { restart: { autorestart: false }, update });
  const old = [1, 2].map((slot) => makeInstance(`old-${slot}`, { slot, nodeId: `n${slot}` }));
  const ended = exited('new', 0, { revision: 2, deploymentId: 'd1', createdAt: 2 });
  const actions = decideOn({ ...parts, instances: [...old, ended] });
  assert.deepEqual(
    only(actions, 'setDesired').map(({ instanceId }) => instanceId),
    ['old-1'],
  );
});

test('what has ended as it may is remembered, however many others of its slot have ended since', () => {
  const later = Array.from({ length: 6 }, (_, age) =>
    makeInstance(`new-${age}`, { revision: 2, createdAt: 2 + age, desired: 'stop', status: { state: 'stopped' } }),
  );
  const actions = decideOn({ specs: [...once, ...once], instances: [exited('old', 0), ...later] });
  const removed = only(actions, 'removeInstance').map(({ instanceId }) => instanceId);
  assert.deepEqual(removed.sort(), ['new-0', 'new-1', 'new-2']);
  const runs = Array.from({ length: 6 }, (_, age) => exited(`run-${age}`, 0, { createdAt: 1 + age }));
  assert.equal(only(decideOn({ specs: once, instances: runs }), 'removeInstance').length, 3);
});

test('a restart that fails goes back to a program that runs: what failed in it does not leave the slot empty', () => {
  const failure = { instanceId: 'new', slot: 0, node: 'n0', reason: 'failed', lastLines: [], at: 1 };
  const snapshot = makeSnapshot({
    specs: once,
    services: [makeService({ deploymentId: 'd1' })],
    deployments: [
      makeDeployment({
        kind: 'restart',
        to: { revision: 1, generation: 1 },
        state: 'rolling-back',
        failures: [failure],
      }),
    ],
    instances: [
      makeInstance('old', { desired: 'stop', status: { state: 'stopped' } }),
      exited('new', 1, { generation: 1, deploymentId: 'd1', createdAt: 2 }),
    ],
  });
  const actions = decideAfter({ atMs: 0, snapshot }, { atMs: 2_000, snapshot });
  assert.equal(only(actions, 'createInstance').length, 1);
});

test('a drain moves a program that runs, also where an earlier run of it has ended as it may', () => {
  for (const order of ['start-first', 'stop-first'] as const) {
    const nodes = [makeNode('n0', { eligibility: 'draining' }), makeNode('n1')];
    const again = makeInstance('again', { createdAt: 2 });
    const specs = [makeSpec({ restart: { autorestart: false }, update: { order, maxParallel: 1 } })];
    const actions = decideOn({ specs, nodes, instances: [exited('first', 0), again] });
    assert.equal(only(actions, 'createInstance').length, order === 'start-first' ? 1 : 0);
    const stopped = { ...again, desired: 'stop' as const, status: { ...again.status, state: 'stopped' as const } };
    assert.equal(
      only(decideOn({ specs, nodes, instances: [exited('first', 0), stopped] }), 'createInstance').length,
      1,
    );
  }
});

test('a program that outlived a reload that failed stays ended when it ends as it may', () => {
  const reloaded = makeInstance('new', {
    generation: 1,
    deploymentId: 'd1',
    createdAt: 2,
    status: { state: 'stopped' },
  });
  const gone = { ...reloaded, desired: 'stop' as const, drainReason: 'replaced by reload d1' };
  assert.deepEqual(decideOn({ specs: once, instances: [exited('old', 0), gone] }), []);
});

test('a drain moves a program that has stayed after a restart that went back, though its run before that has ended', () => {
  const back = (change: Partial<Instance>) =>
    makeInstance('kept', { generation: 1, deploymentId: 'd1', createdAt: 2, ...change });
  const nodes = [makeNode('n0', { eligibility: 'draining' }), makeNode('n1')];
  const specs = [makeSpec({ restart: { autorestart: false }, update: { order: 'stop-first', maxParallel: 1 } })];
  const [leaving] = only(decideOn({ specs, nodes, instances: [exited('first', 0), back({})] }), 'setDesired');
  assert.equal(leaving?.instanceId, 'kept');
  const left = (drainReason: string | undefined) => {
    const gone = back({ desired: 'stop', drainReason: drainReason ?? '' });
    const instances = [exited('first', 0), { ...gone, status: { ...gone.status, state: 'stopped' as const } }];
    return only(decideOn({ specs, nodes, instances }), 'createInstance').length;
  };
  assert.equal(left(leaving?.reason), 1);
  assert.equal(left('scaled down'), 1);
  assert.equal(left('replaced by restart d1'), 0, 'what a deployment takes back with it is not run again');
  assert.equal(left('failed in restart d1'), 0);
});

test('what a restart that goes back takes with it says so, and a drain says that it is one', () => {
  const target = { revision: 1, generation: 0 };
  const reload = makeDeployment({ kind: 'reload', to: { revision: 1, generation: 1 }, state: 'rolling-back' });
  const reasons = (parts: ClusterParts) => only(decideOn(parts), 'setDesired').map(({ reason }) => reason);
  const going = { services: [makeService({ target, deploymentId: 'd1' })], deployments: [reload] };
  const renewed = makeInstance('new', { generation: 1, deploymentId: 'd1', createdAt: 2 });
  assert.deepEqual(reasons({ ...going, instances: [makeInstance('old'), renewed] }), ['replaced by reload d1']);
  const nodes = [makeNode('n0', { eligibility: 'draining' }), makeNode('n1')];
  const { update } = makeSpec({ update: { order: 'stop-first', maxParallel: 1 } });
  const drained = { ...going, nodes, deployments: [{ ...reload, update }] };
  assert.deepEqual(reasons({ ...drained, instances: [renewed] }), ['its node is draining']);
  const both = [makeInstance('old', { nodeId: 'n1' }), renewed];
  assert.deepEqual(reasons({ ...drained, instances: both }), ['replaced by reload d1']);
  const failures = [{ instanceId: 'new', slot: 0, node: 'n0', reason: 'failed', lastLines: [], at: 1 }];
  const paused = { ...going, deployments: [{ ...reload, state: 'paused' as const, failures }] };
  assert.deepEqual(reasons({ ...paused, instances: [renewed] }), ['failed in reload d1']);
});
