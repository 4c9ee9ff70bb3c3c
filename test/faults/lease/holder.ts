// Holds all its keys, asserts that it does every few milliseconds, and records when it is told to stop.

import { createInterface } from 'node:readline';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { openRecorder } from '../lib/history.ts';
import { type Held, type MutexKind, openMutex } from '../lib/mutex.ts';

export interface HolderSettings {
  readonly name: string;
  readonly url: string;
  readonly kind: MutexKind;
  readonly prefix: string;
  readonly keys: readonly string[];
  readonly ttlMs: number;
  readonly historyFile: string;
}

const settings = JSON.parse(process.argv[2]!) as HolderSettings;
const { name, url, kind, prefix, keys, ttlMs } = settings;
const recorder = openRecorder(settings.historyFile, name);
const coordination = openCoordination({ url, identity: name, prefix });
await coordination.ready();
const mutex = await openMutex(kind, coordination, ttlMs);
const held = new Map<string, Kept>();

/** Often enough to catch an assertion that passes too late. */
const assertEveryMs = 10;
const retryMs = 20;

const asserting = setInterval(() => {
  for (const entry of held.values()) {
    const nowMs = Date.now();
    try {
      entry.one.assertHeld();
      entry.assertedMs = nowMs;
    } catch {}
  }
}, assertEveryMs);

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'end') break;
  await Promise.all(keys.map(take));
  process.stdout.write('holding\n');
  void Promise.all([...held.values()].map(({ lost }) => lost)).then(() => {
    // Once more round the loop: an assertion that passes after the signal has to be seen.
    setTimeout(() => {
      for (const [key, { one, assertedMs, lostMs }] of held) {
        recorder.lose(key, one.epoch, one.lossReason ?? 'unknown', { wallMs: lostMs, assertedMs });
      }
      held.clear();
      process.stdout.write('lost\n');
    }, assertEveryMs * 2);
  });
}
clearInterval(asserting);
await Promise.all([...held.values()].map(({ one }) => one.release()));
await coordination.close();
recorder.close();
process.stdin.destroy();

interface Kept {
  readonly one: Held;
  /** Wall clock at the last assertion that passed, and at the signal. */
  assertedMs: number;
  lostMs: number;
  readonly lost: Promise<void>;
}

async function take(key: string): Promise<void> {
  for (;;) {
    const one = await mutex.tryAcquire(key);
    if (typeof one !== 'string') {
      const { promise: lost, resolve } = Promise.withResolvers<void>();
      const kept: Kept = { one, assertedMs: 0, lostMs: 0, lost };
      const onAbort = () => {
        kept.lostMs = Date.now();
        resolve();
      };
      if (one.signal.aborted) onAbort();
      else one.signal.addEventListener('abort', onAbort, { once: true });
      held.set(key, kept);
      return;
    }
    await coordination.clock.sleep(retryMs);
  }
}
