import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planChanges } from '../../../controller/orchestrator/dry-run.ts';
import { makeInstance, makeSnapshot, makeSpec } from './cluster-fixture.ts';

test('a new service lists where its slots go', () => {
  const plan = planChanges(makeSnapshot({ services: [], specs: [] }), makeSpec({ scale: { instances: 2 } }), null);
  assert.equal(plan.exists, false);
  assert.equal(plan.adds, 2);
  assert.deepEqual(
    plan.placements.map(({ node }) => node),
    ['n0', 'n1'],
  );
});

test('only a difference in the scale replaces nothing', () => {
  const snapshot = makeSnapshot({ instances: [makeInstance('a')] });
  const plan = planChanges(snapshot, makeSpec({ scale: { instances: 3 } }), null);
  assert.deepEqual([plan.replaces, plan.adds, plan.removes], [0, 2, 0]);
  assert.equal(plan.changes[0]?.consequence, 'changes only the count');
});

test('values of the environment are never shown', () => {
  const snapshot = makeSnapshot({ instances: [makeInstance('a')] });
  const plan = planChanges(snapshot, makeSpec({ env: { API_KEY: 's3cret' } }), null);
  assert.equal(plan.replaces, 1);
  assert.ok(!JSON.stringify(plan).includes('s3cret'));
});

test('what cannot be placed has no node and says why', () => {
  const spec = makeSpec({ placement: { constraints: ['node.name == nowhere'] } });
  const [placement] = planChanges(makeSnapshot({ services: [], specs: [] }), spec, null).placements;
  assert.equal(placement?.node, null);
  assert.match(placement?.reason ?? '', /3 do not meet node.name == nowhere/);
});
