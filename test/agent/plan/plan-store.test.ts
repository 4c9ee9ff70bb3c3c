import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PlanStore } from '../../../agent/plan/plan-store.ts';
import type { Plan } from '../../../shared/contracts/agent-session.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const plan: Plan = {
  nodeId: 'node-a',
  generation: 'g',
  term: 1,
  version: 1,
  assignments: [],
  revisions: [],
  runs: [],
  routes: null,
  controllers: [],
  coordination: null,
  removed: false,
};

test('a plan that cannot be written is followed all the same, and written when that works again', (t) => {
  const directory = join(tempDirectory(t), 'later');
  const path = join(directory, 'plan.json');
  const problems: Error[] = [];
  const store = new PlanStore(path, (error) => problems.push(error));
  assert.equal(store.offer(plan), 'newer');
  assert.deepEqual(store.plan, plan);
  assert.equal(store.confirmed, true);
  assert.equal(problems.length, 1);
  mkdirSync(directory);
  store.offer(plan);
  assert.equal(problems.length, 1);
  assert.deepEqual(new PlanStore(path, () => {}).plan, plan);
});
