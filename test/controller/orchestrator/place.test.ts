import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../../shared/contracts/entities.ts';
import type { ServiceSpecInput } from '../../../shared/contracts/spec.ts';
import { decideOn, makeInstance, makeNode, makeService, makeSpec, only } from './cluster-fixture.ts';

function placed(nodes: readonly Node[], spec: Partial<ServiceSpecInput>, instances = 1): (string | undefined)[] {
  const scale = { instances };
  const actions = decideOn({ nodes, specs: [makeSpec({ ...spec, scale })], services: [makeService({ scale })] });
  return [
    ...only(actions, 'createInstance').map(({ nodeId }) => nodeId),
    ...only(actions, 'reportPlacement').map(({ reason }) => reason),
  ];
}

test('instances are spread evenly over the nodes', () => {
  const nodes = [makeNode('n0'), makeNode('n1'), makeNode('n2')];
  assert.deepEqual(placed(nodes, {}, 6), ['n0', 'n1', 'n2', 'n0', 'n1', 'n2']);
});

test('the node with the most memory that is not reserved wins among equals', () => {
  assert.deepEqual(placed([makeNode('n0'), makeNode('n1', { memoryBytes: 8_000_000_000 })], {}), ['n1']);
});

const refusals: { title: string; nodes: Node[]; spec: Partial<ServiceSpecInput>; reason: string }[] = [
  {
    title: 'draining nodes and nodes that lack memory are counted apart',
    nodes: [
      makeNode('n0', { eligibility: 'draining' }),
      makeNode('n1', { memoryBytes: 1 }),
      makeNode('n2', { memoryBytes: 1 }),
    ],
    spec: { placement: { resources: { memoryBytes: 536_870_912 } } },
    reason: '3 nodes: 1 draining, 2 lack memory (need 512 MiB)',
  },
  {
    title: 'a constraint that no node meets is named',
    nodes: [makeNode('n0', { labels: { zone: 'b' } })],
    spec: { placement: { constraints: ['node.labels.zone == a'] } },
    reason: '1 node: 1 does not meet node.labels.zone == a',
  },
  {
    title: 'nodes without a connection are not used',
    nodes: [makeNode('n0', { state: 'disconnected' }), makeNode('n1', { eligibility: 'ineligible' })],
    spec: {},
    reason: '2 nodes: 1 ineligible, 1 not connected',
  },
  { title: 'a cluster without nodes says so', nodes: [], spec: {}, reason: 'no nodes have joined' },
  {
    title: 'cores that are missing are named',
    nodes: [makeNode('n0', { cores: 1 })],
    spec: { placement: { resources: { cpu: 2 } } },
    reason: '1 node: 1 lacks CPU (need 2 cores)',
  },
];
for (const { title, nodes, spec, reason } of refusals) {
  test(title, () => assert.deepEqual(placed(nodes, spec), [reason]));
}

test('a port range that is full is named', () => {
  const nodes = [makeNode('n0', { ports: { from: 20_000, to: 20_000 } })];
  assert.deepEqual(placed(nodes, {}, 2), ['n0', '1 node: 1 has no free port']);
});

test('maxPerNode bounds the slots on one node', () => {
  assert.deepEqual(placed([makeNode('n0'), makeNode('n1')], { placement: { maxPerNode: 1 } }, 3), [
    'n0',
    'n1',
    '2 nodes: 2 have maxPerNode (1) already',
  ]);
});

test('reservations of instances that run already count', () => {
  const half = { placement: { resources: { memoryBytes: 600_000_000 } } };
  const actions = decideOn({
    nodes: [makeNode('n0'), makeNode('n1')],
    specs: [makeSpec({ ...half, scale: { instances: 2 } })],
    services: [makeService({ scale: { instances: 2 } })],
    instances: [makeInstance('a')],
  });
  assert.deepEqual(
    only(actions, 'createInstance').map(({ nodeId }) => nodeId),
    ['n1'],
  );
});

test('a slot whose instance failed on a node is tried on another one', () => {
  const failed = makeInstance('a', { status: { state: 'failed', reason: 'exited with code 1' } });
  const snapshot = { instances: [failed] };
  const actions = decideOn(snapshot);
  assert.deepEqual(only(actions, 'createInstance'), [], 'not before the backoff has passed');
});
