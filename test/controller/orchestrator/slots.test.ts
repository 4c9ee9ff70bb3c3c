import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planSlots } from '../../../controller/orchestrator/slots.ts';
import { makeInstance, makeNode, makeSpec } from './cluster-fixture.ts';

const nodes = [makeNode('n0', { cores: 2 }), makeNode('n1', { cores: 3 }), makeNode('n2', { cores: 1 })];

test('a number is the total over the fleet', () => {
  assert.deepEqual(planSlots({ instances: 3 }, makeSpec(), nodes, []), { slots: [0, 1, 2], hostCaps: null });
});

test('max is one per core of every eligible node', () => {
  const drained = [...nodes.slice(0, 2), makeNode('n2', { cores: 8, eligibility: 'draining' })];
  assert.equal(planSlots({ instances: 'max' }, makeSpec(), drained, []).slots.length, 5);
});

test('hosts all gives every eligible node its count', () => {
  const plan = planSlots({ instances: 2, hosts: 'all' }, makeSpec(), nodes, []);
  assert.equal(plan.slots.length, 6);
  assert.deepEqual(
    [...(plan.hostCaps ?? [])],
    [
      ['n0', 2],
      ['n1', 2],
      ['n2', 2],
    ],
  );
});

test('a number of hosts keeps to hosts that have slots already', () => {
  const plan = planSlots({ instances: 1, hosts: 2 }, makeSpec(), nodes, [makeInstance('a', { nodeId: 'n2' })]);
  assert.deepEqual([...(plan.hostCaps?.keys() ?? [])], ['n2', 'n0']);
});

test('hosts that are missing leave slots that cannot be placed', () => {
  assert.equal(planSlots({ instances: 2, hosts: 5 }, makeSpec(), nodes, []).slots.length, 10);
});

test('the loss of one host moves no slot of another', () => {
  const instances = [0, 1, 2].map((slot) => makeInstance(`i${slot}`, { slot, nodeId: `n${slot}` }));
  const left = nodes.map((node) => (node.id === 'n0' ? { ...node, state: 'lost' as const } : node));
  assert.deepEqual(planSlots({ instances: 1, hosts: 'all' }, makeSpec(), left, instances).slots, [1, 2]);
});
