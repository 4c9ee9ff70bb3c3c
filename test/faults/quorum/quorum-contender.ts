// Contends for each of its keys at the masters of a quorum until its share of operations is done, and writes a history.

import { createQuorumLocks } from '../../../shared/coordination/lock/quorum-lock.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { asHeld } from '../lib/as-held.ts';
import { contend } from '../lib/contend.ts';
import { openRecorder } from '../lib/history.ts';

export interface QuorumContenderSettings {
  readonly name: string;
  readonly urls: readonly string[];
  readonly prefix: string;
  readonly keys: readonly string[];
  readonly ttlMs: number;
  readonly operationsPerKey: number;
  readonly seed: number;
  readonly historyFile: string;
}

const settings = JSON.parse(process.argv[2]!) as QuorumContenderSettings;
const { name, urls, prefix, keys, ttlMs, operationsPerKey, historyFile, seed } = settings;
const recorder = openRecorder(historyFile, name);
const locks = createQuorumLocks({ urls, identity: name, prefix, minTtlMs: ttlMs });
await locks.ready();
await contend({
  mutex: { tryAcquire: (key) => asHeld((waiting) => locks.lock(key, { ttlMs, ...waiting })) },
  ...{ keys, operationsPerKey, ttlMs, recorder, random: new SeededRandom(seed) },
  // Whether a majority has heard of it is not told, and without refusals to explain it proves nothing.
  watchRelease: () => () => 'void',
});
await locks.close();
recorder.close();
