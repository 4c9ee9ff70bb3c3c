// Contends for each of its keys until its share of operations is done, and writes a history.

import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { machineMicros, openRecorder } from '../lib/history.ts';
import { type Held, type MutexKind, openMutex } from '../lib/mutex.ts';

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

/** Of all holds, those that last long enough to be renewed. */
const longHoldShare = 0.03;
/** Between two steps; short, so that the keys are contended all the time. */
const maxPauseMs = 6;
/** After a refusal; longer, so that a history holds more than refusals. */
const maxRetryMs = 25;

const settings = JSON.parse(process.argv[2]!) as ContenderSettings;
const { name, url, kind, prefix, keys, ttlMs, operationsPerKey } = settings;
const random = new SeededRandom(settings.seed);
const recorder = openRecorder(settings.historyFile, name);
let stateChanges = 0;
const onStateChange = () => void stateChanges++;
const { minReplicas = 0 } = settings;
const coordination = openCoordination({ url, identity: name, prefix, minReplicas, onStateChange });
await coordination.ready();
const mutex = await openMutex(kind, coordination, ttlMs);
await Promise.all(keys.map(contend));
await coordination.close();
recorder.close();

async function contend(key: string): Promise<void> {
  let left = operationsPerKey;
  while (left > 0) {
    left--;
    const end = recorder.invoke('acquire', key);
    const answer = await mutex.tryAcquire(key);
    if (typeof answer === 'string') {
      // Without an answer it may have been granted, and have ended again, before the next try: each is one of its own.
      end(answer === 'unknown' ? 'info' : answer === 'refused' ? 'fail' : 'void');
      if (answer === 'unknown') left++;
      await pause(maxRetryMs);
      continue;
    }
    end('ok', answer.epoch);
    left -= await use(key, answer);
    await pause(maxPauseMs);
  }
}

async function use(key: string, held: Held): Promise<number> {
  const { epoch } = held;
  const onAbort = () => recorder.lose(key, epoch, held.lossReason ?? 'unknown');
  held.signal.addEventListener('abort', onAbort, { once: true });
  const looks = random.between(1, 4);
  const restMs = random.chance(longHoldShare) ? ttlMs : maxPauseMs;
  let done = 0;
  for (; done < looks && assertHeld(key, held); done++) await pause(restMs);
  const isLost = held.signal.aborted;
  held.signal.removeEventListener('abort', onAbort);
  if (isLost) return done;
  const end = recorder.invoke('release', key, epoch);
  const changesBefore = stateChanges;
  const sentAt = performance.now();
  await held.release();
  // A connection that breaks rejects what was sent on it before it says so.
  await new Promise((resolve) => setImmediate(resolve));
  // A release never throws; without an answer the lease is left to run out.
  const isAnswered = stateChanges === changesBefore && performance.now() - sentAt < ttlMs / 8;
  end(isAnswered && coordination.state === 'ready' ? 'ok' : 'info');
  return done + 1;
}

function assertHeld(key: string, held: Held): boolean {
  const at = machineMicros();
  try {
    held.assertHeld();
    recorder.instant('assert', key, 'ok', held.epoch, at);
    return true;
  } catch {
    recorder.instant('assert', key, 'fail', held.epoch, at);
    return false;
  }
}

function pause(maxMs: number): Promise<void> {
  return coordination.clock.sleep(random.next() * maxMs);
}
