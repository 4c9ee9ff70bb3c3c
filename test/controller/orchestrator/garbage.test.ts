import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideAfter, makeInstance, makeNode, makeSnapshot, only } from './cluster-fixture.ts';

/** So many attempts to fill one slot, each of which failed, seen once and at last. */
function decideOnFailed(count: number, reason: string, lastAtMs: number) {
  const instances = Array.from({ length: count }, (_, index) =>
    makeInstance(`try-${index}`, { createdAt: index + 1, status: { state: 'failed', reason } }),
  );
  const seen = (atMs: number) => {
    const nodes = ['n0', 'n1'].map((id) => makeNode(id, { heartbeat: atMs }));
    return { atMs, snapshot: makeSnapshot({ nodes, instances }) };
  };
  return decideAfter(seen(0), seen(lastAtMs));
}

test('attempts that the infrastructure fails are remembered for as long as they count for the pause between attempts', () => {
  const at = (atMs: number) => decideOnFailed(20, 'infrastructure: port 20004 is taken by another process', atMs);
  assert.deepEqual(at(31_900), []);
  assert.equal(only(at(32_000), 'createInstance').length, 1);
  assert.equal(only(at(600_000), 'removeInstance').length, 17, 'the last three are for people');
});

test('of attempts that failed for their revision as many are remembered as it takes to reach the longest pause', () => {
  assert.equal(only(decideOnFailed(9, 'exited with code 1', 1), 'removeInstance').length, 2);
});
