import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePlans } from '../../../agent/plan/compare-plans.ts';

const held = { nodeId: 'n', generation: 'g', term: 5, version: 10 };
const table = [
  { offered: { ...held }, verdict: 'same', because: 'it is the one that is held' },
  { offered: { ...held, version: 11 }, verdict: 'newer', because: 'its version is higher' },
  { offered: { ...held, version: 9 }, verdict: 'older', because: 'its version is lower in the same term' },
  { offered: { ...held, term: 4, version: 99 }, verdict: 'older', because: 'its leader has been replaced' },
  { offered: { ...held, term: 6, version: 1 }, verdict: 'newer', because: 'its leader is newer' },
  {
    offered: { ...held, generation: 'h', term: 1, version: 1 },
    verdict: 'newer',
    because: 'the store was set up anew',
  },
] as const;

for (const { offered, verdict, because } of table) {
  test(`a plan is ${verdict} when ${because}`, () => assert.equal(comparePlans(held, offered), verdict));
}

test('the first plan is newer than none', () => assert.equal(comparePlans(null, held), 'newer'));
