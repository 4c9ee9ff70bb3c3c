import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../controller/orchestrator/decide.ts';
import type { LeaderAction } from '../../shared/contracts/leader-action.ts';
import { isTerminal } from '../../shared/state/instance-states.ts';
import { BrokenInvariant, type Decide, SimulatedCluster } from './simulated-cluster.ts';

/** Few enough for every run of the tests; nightly runs ask for more. */
const runs = Number(process.env.DROVER_SIM_RUNS ?? 300);
const firstSeed = Number(process.env.DROVER_SIM_SEED ?? 1);

test(`${runs} simulated clusters keep the invariants and come to rest after their faults`, () => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
    const cluster = new SimulatedCluster(seed);
    try {
      cluster.run();
    } catch (error) {
      if (!(error instanceof BrokenInvariant)) throw error;
      assert.fail(`${error.message}\nDROVER_SIM_SEED=${seed} DROVER_SIM_RUNS=1\n${cluster.log.join('\n')}`);
    }
  }
});

/** Seeds within which each deliberate fault must show; the tests stop at the first that does. */
const mutationRuns = 60;

function firstBroken(make: (seed: number) => SimulatedCluster): string | undefined {
  for (let seed = 1; seed <= mutationRuns; seed += 1) {
    try {
      make(seed).run();
    } catch (error) {
      if (error instanceof BrokenInvariant) return error.message;
      throw error;
    }
  }
  return undefined;
}

test('a leader that does not wait for the routers breaks a request', () => {
  const impatient: Decide = (input) => [
    ...decide(input),
    ...input.snapshot.instances
      .filter(({ desired, status }) => desired === 'drain' && !isTerminal(status.state))
      .map(({ id }) => ({ type: 'setDesired', instanceId: id, desired: 'stop', reason: 'impatient' }) as const),
  ];
  assert.match(firstBroken((seed) => new SimulatedCluster(seed, impatient)) ?? 'nothing', /^I6/);
});

test('a store that does not check the term accepts the steps of a leader that was replaced', () => {
  const broken = firstBroken((seed) => {
    const cluster = new SimulatedCluster(seed);
    cluster.store.checksTerm = false;
    return cluster;
  });
  assert.match(broken ?? 'nothing', /^I1 /);
});

test('a rollback that removes the new instances first loses capacity', () => {
  const hasty: Decide = (input) => {
    const failing = input.snapshot.deployments.filter(({ state }) => state === 'rolling-back');
    const actions: LeaderAction[] = input.snapshot.instances
      .filter(
        ({ deploymentId, desired, status, revision }) =>
          desired === 'run' &&
          !isTerminal(status.state) &&
          failing.some(({ id, to }) => id === deploymentId && revision === to.revision),
      )
      .map(({ id }) => ({ type: 'setDesired', instanceId: id, desired: 'drain', reason: 'hasty' }));
    return [...actions, ...decide(input)];
  };
  assert.match(firstBroken((seed) => new SimulatedCluster(seed, hasty)) ?? 'nothing', /^I13/);
});
