import { setTimeout as sleep } from 'node:timers/promises';

import type { SeededRandom } from '../../simulation/seeded-random.ts';
import { machineMicros, type Recorder } from './history.ts';
import type { Held, Mutex } from './mutex.ts';

export interface Contest {
  readonly mutex: Mutex;
  readonly keys: readonly string[];
  readonly operationsPerKey: number;
  readonly ttlMs: number;
  readonly random: SeededRandom;
  readonly recorder: Recorder;
  /** Called before a release; what it returns says afterwards whether the release had an answer, or that it says nothing. */
  watchRelease(): () => 'ok' | 'info' | 'void';
}

/** Of all holds, those that last long enough to be renewed. */
const longHoldShare = 0.03;
/** Between two steps; short, so that the keys are contended all the time. */
const maxPauseMs = 6;
/** After a refusal; longer, so that a history holds more than refusals. */
const maxRetryMs = 25;

/** Takes each key again and again, asserts that it holds it, and gives it back, until the share of operations is done. */
export async function contend(contest: Contest): Promise<void> {
  await Promise.all(contest.keys.map((key) => contendFor(key, contest)));
}

async function contendFor(key: string, contest: Contest): Promise<void> {
  const { mutex, recorder, random } = contest;
  let left = contest.operationsPerKey;
  while (left > 0) {
    left--;
    const end = recorder.invoke('acquire', key);
    const answer = await mutex.tryAcquire(key);
    if (typeof answer === 'string') {
      // Without an answer it may have been granted, and have ended again, before the next try: each is one of its own.
      end(answer === 'unknown' ? 'info' : answer === 'refused' ? 'fail' : 'void');
      if (answer === 'unknown') left++;
      await sleep(random.next() * maxRetryMs);
      continue;
    }
    end('ok', answer.epoch, answer.share);
    left -= await use(key, answer, contest);
    await sleep(random.next() * maxPauseMs);
  }
}

async function use(key: string, held: Held, { recorder, random, ttlMs, watchRelease }: Contest): Promise<number> {
  const { epoch } = held;
  const onAbort = () => recorder.lose(key, epoch, held.lossReason ?? 'unknown');
  held.signal.addEventListener('abort', onAbort, { once: true });
  const looks = random.between(1, 4);
  const restMs = random.chance(longHoldShare) ? ttlMs : maxPauseMs;
  let done = 0;
  for (; done < looks && assertHeld(key, held, recorder); done++) await sleep(random.next() * restMs);
  const isLost = held.signal.aborted;
  held.signal.removeEventListener('abort', onAbort);
  if (isLost) return done;
  const end = recorder.invoke('release', key, epoch);
  const outcomeOf = watchRelease();
  await held.release();
  // A connection that breaks rejects what was sent on it before it says so.
  await new Promise((resolve) => setImmediate(resolve));
  end(outcomeOf());
  return done + 1;
}

function assertHeld(key: string, held: Held, recorder: Recorder): boolean {
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
