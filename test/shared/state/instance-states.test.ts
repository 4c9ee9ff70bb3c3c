import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploymentTransitions, isEnded, mayMove } from '../../../shared/state/deployment-states.ts';
import { isTerminal, mayAdvance, mayTighten, stateRank } from '../../../shared/state/instance-states.ts';

const states = Object.keys(stateRank) as (keyof typeof stateRank)[];
const deploymentStates = Object.keys(deploymentTransitions) as (keyof typeof deploymentTransitions)[];

test('states of an instance never go back, and terminal ones never change', () => {
  for (const from of states) {
    for (const to of states) {
      const allowed = from === to || (!isTerminal(from) && stateRank[to] > stateRank[from]);
      assert.equal(mayAdvance(from, to), allowed, `${from} → ${to}`);
    }
  }
});

test('what is desired of an instance only tightens', () => {
  assert.ok(mayTighten('run', 'drain') && mayTighten('drain', 'stop') && mayTighten('drain', 'drain'));
  assert.ok(!mayTighten('drain', 'run') && !mayTighten('stop', 'drain'));
});

test('a deployment that has ended moves nowhere, and a rollback is never rolled forward', () => {
  for (const from of deploymentStates) {
    if (isEnded(from)) for (const to of deploymentStates) assert.equal(mayMove(from, to), from === to);
  }
  assert.ok(!mayMove('rolling-back', 'rolling') && !mayMove('rolling-back', 'succeeded'));
});
