import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouterStatus } from '../../../shared/contracts/entities.ts';
import {
  decideAfter,
  makeInstance,
  makeNode,
  makeRouter,
  makeService,
  makeSnapshot,
  makeSpec,
  only,
} from './cluster-fixture.ts';

const routes = [{ path: '/' }];

/** One instance on its way out since epoch 5, with one router on n1; decided `waitedMs` after that was first seen. */
function drainingFor(waitedMs: number, routers: readonly RouterStatus[], lostRouter = false) {
  const at = (beat: number) =>
    makeSnapshot({
      nodes: [
        makeNode('n0', { heartbeat: beat }),
        makeNode('n1', { heartbeat: beat, router: true, state: lostRouter ? 'lost' : 'ready' }),
      ].map((node) => (node.state === 'lost' ? { ...node, heartbeat: 1 } : node)),
      specs: [makeSpec({ routes })],
      services: [makeService({ scale: { instances: 0 } })],
      instances: [makeInstance('a', { desired: 'drain', drainEpoch: 5, drainReason: 'scaled down' })],
      routers,
      routes: { epoch: 5, generation: 'g', services: [{ name: 'web', routes, endpoints: [] }] },
    });
  return decideAfter({ atMs: 0, snapshot: at(1) }, { atMs: waitedMs, snapshot: at(2) });
}

const waits: { title: string; waitedMs: number; routers: RouterStatus[]; lost?: boolean; stops: boolean }[] = [
  { title: 'an older epoch is waited for', waitedMs: 100, routers: [makeRouter('n1', { epoch: 4 })], stops: false },
  {
    title: 'an acknowledgement of another generation does not count',
    waitedMs: 100,
    routers: [makeRouter('n1', { epoch: 9, generation: 'other' })],
    stops: false,
  },
  { title: 'a router that has not reported yet is waited for', waitedMs: 100, routers: [], stops: false },
  {
    title: 'requests in flight are waited for',
    waitedMs: 29_000,
    routers: [makeRouter('n1', { epoch: 5, busy: ['a'] })],
    stops: false,
  },
  {
    title: 'an acknowledged instance without requests is stopped',
    waitedMs: 100,
    routers: [makeRouter('n1', { epoch: 5 })],
    stops: true,
  },
  {
    title: 'requests in flight are waited for no longer than drainTimeoutMs',
    waitedMs: 30_000,
    routers: [makeRouter('n1', { epoch: 5, busy: ['a'] })],
    stops: true,
  },
  { title: 'the router of a lost node is not waited for', waitedMs: 100, routers: [], lost: true, stops: true },
];
for (const { title, waitedMs, routers, lost, stops } of waits) {
  test(title, () => {
    const actions = drainingFor(waitedMs, routers, lost);
    assert.equal(only(actions, 'setDesired').length, stops ? 1 : 0);
    assert.deepEqual(only(actions, 'reportAckTimeout'), []);
  });
}

test('when the acknowledgement does not come in time the stop goes on, and says which router was missing', () => {
  const actions = drainingFor(15_000, [makeRouter('n1', { epoch: 4 })]);
  assert.deepEqual(only(actions, 'reportAckTimeout'), [
    { type: 'reportAckTimeout', instanceId: 'a', routers: ['n1'], epoch: 5 },
  ]);
  assert.equal(only(actions, 'setDesired')[0]?.desired, 'stop');
});

test('an instance on a draining node is replaced elsewhere before it leaves', () => {
  const nodes = [makeNode('n0', { eligibility: 'draining' }), makeNode('n1')];
  const actions = decideAfter({ atMs: 0, snapshot: makeSnapshot({ nodes, instances: [makeInstance('a')] }) });
  assert.equal(only(actions, 'createInstance')[0]?.nodeId, 'n1');
  assert.deepEqual(only(actions, 'setDesired'), []);
});
