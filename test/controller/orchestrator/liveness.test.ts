import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lossBrake } from '../../../controller/orchestrator/liveness.ts';
import type { Node } from '../../../shared/contracts/entities.ts';
import { decideAfter, type Moment, makeInstance, makeNode, makeSnapshot, only } from './cluster-fixture.ts';

/** A moment at which the named nodes have beaten once more and the others have not. */
function beat(
  atMs: number,
  nodes: readonly Node[],
  beating: readonly string[],
  instances = [makeInstance('a')],
): Moment {
  const counted = nodes.map((node) => ({ ...node, heartbeat: beating.includes(node.id) ? atMs : 1 }));
  return { atMs, snapshot: makeSnapshot({ nodes: counted, instances }) };
}

const three = [makeNode('n0'), makeNode('n1'), makeNode('n2')];

test('a node is disconnected three seconds after its last heartbeat, and not before', () => {
  const early = decideAfter(beat(0, three, []), beat(2_900, three, ['n1', 'n2']));
  assert.deepEqual(only(early, 'setNodeState'), []);
  const [step] = only(decideAfter(beat(0, three, []), beat(3_000, three, ['n1', 'n2'])), 'setNodeState');
  assert.equal(step?.nodeId, 'n0');
  assert.equal(step?.state, 'disconnected');
});

test('a silent node is lost after the grace, and its slots are filled elsewhere in the same pass', () => {
  const actions = decideAfter(beat(0, three, []), beat(20_000, three, ['n1', 'n2']));
  assert.equal(only(actions, 'setNodeState')[0]?.state, 'lost');
  assert.equal(only(actions, 'loseInstance')[0]?.instanceId, 'a');
  assert.equal(only(actions, 'createInstance')[0]?.nodeId, 'n1');
});

test('no node is lost within the grace of a new term', () => {
  const actions = decideAfter(beat(0, three, []), beat(9_900, three, ['n1', 'n2']));
  assert.ok(!only(actions, 'setNodeState').some(({ state }) => state === 'lost'));
});

test('no node is lost right after the store has come back', () => {
  const actions = decideAfter(beat(0, three, []), { ...beat(30_000, three, []), options: { storeResumed: true } });
  assert.deepEqual(only(actions, 'setNodeState'), []);
  assert.deepEqual(only(actions, 'loseInstance'), []);
});

test('when more nodes fall silent at once than the brake allows, none is lost and users are told', () => {
  const actions = decideAfter(beat(0, three, []), beat(20_000, three, ['n2']));
  const steps = only(actions, 'setNodeState');
  assert.deepEqual(
    steps.map(({ nodeId, state }) => [nodeId, state]),
    [
      ['n0', 'disconnected'],
      ['n1', 'disconnected'],
    ],
  );
  assert.match(steps[0]?.reason ?? '', /2 of 3 nodes/);
});

test('the brake lets go once the others have long been silent and one still beats', () => {
  const actions = decideAfter(beat(0, three, []), beat(70_000, three, ['n2']));
  assert.equal(only(actions, 'setNodeState').filter(({ state }) => state === 'lost').length, 2);
});

test('when every node is silent none is ever lost', () => {
  const actions = decideAfter(beat(0, three, []), beat(900_000, three, []));
  assert.ok(!only(actions, 'setNodeState').some(({ state }) => state === 'lost'));
});

test('a lost node is ready again with its next heartbeat, and not by a change of leader', () => {
  const lost = [makeNode('n0', { state: 'lost' }), makeNode('n1'), makeNode('n2')];
  assert.deepEqual(only(decideAfter(beat(0, lost, ['n0'])), 'setNodeState'), []);
  const [step] = only(decideAfter(beat(0, lost, []), beat(500, lost, ['n0'])), 'setNodeState');
  assert.equal(step?.state, 'ready');
});

test('the brake allows half of the nodes, and always one', () => {
  assert.deepEqual([1, 2, 3, 4, 7].map(lossBrake), [1, 1, 1, 2, 3]);
});
