import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokenInvariant, SimulatedCluster } from './simulated-cluster.ts';

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
