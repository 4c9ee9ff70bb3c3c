// Contends for each of its keys until its share of operations is done, and writes a history.

import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { contend } from '../lib/contend.ts';
import { openRecorder } from '../lib/history.ts';
import { type MutexKind, openMutex } from '../lib/mutex.ts';

export interface ContenderSettings {
  readonly name: string;
  readonly url: string;
  readonly kind: MutexKind;
  readonly prefix: string;
  readonly keys: readonly string[];
  readonly ttlMs: number;
  readonly operationsPerKey: number;
  readonly seed: number;
  readonly historyFile: string;
  readonly minReplicas?: number;
}

const settings = JSON.parse(process.argv[2]!) as ContenderSettings;
const { name, url, kind, prefix, keys, ttlMs, operationsPerKey, minReplicas = 0 } = settings;
const recorder = openRecorder(settings.historyFile, name);
let stateChanges = 0;
const onStateChange = () => void stateChanges++;
const coordination = openCoordination({ url, identity: name, prefix, minReplicas, onStateChange });
await coordination.ready();
await contend({
  mutex: await openMutex(kind, coordination, ttlMs),
  ...{ keys, operationsPerKey, ttlMs, recorder, random: new SeededRandom(settings.seed) },
  watchRelease() {
    const changesBefore = stateChanges;
    const sentAtMs = performance.now();
    return () => {
      // A release never throws; without an answer the lease is left to run out.
      const isAnswered = stateChanges === changesBefore && performance.now() - sentAtMs < ttlMs / 8;
      return isAnswered && coordination.state === 'ready' ? 'ok' : 'info';
    };
  },
});
await coordination.close();
recorder.close();
