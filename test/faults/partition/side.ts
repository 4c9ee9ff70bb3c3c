// One side of a partition. `take`: takes all its keys and goes on asserting that it holds them. `write`: writes under the
// token of each, whether it still holds it or not. `report`: says what it believed, and when.

import { createInterface } from 'node:readline';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { type Held, type MutexKind, openMutex } from '../lib/mutex.ts';
import { openResource } from '../lib/resource.ts';

export interface SideSettings {
  readonly name: string;
  readonly url: string;
  readonly kind: MutexKind;
  readonly prefix: string;
  readonly keys: readonly string[];
  readonly ttlMs: number;
  /** Of the resource, which both sides reach, and which looks at fences. */
  readonly resourceFile: string;
}

/** What one side believed of one key, by the wall clock, which is one for both. */
export interface Belief {
  readonly key: string;
  readonly epoch: number;
  /** When it was told that it holds it. */
  readonly grantedMs: number;
  /** Last assertion that passed; 0 for none. */
  readonly assertedMs: number;
  /** When its signal aborted; 0 while it has not. */
  readonly lostMs: number;
  readonly reason: string;
}

/** Often enough to catch an assertion that passes too late. */
const assertEveryMs = 10;
const retryMs = 20;

const settings = JSON.parse(process.argv[2]!) as SideSettings;
const { name, url, kind, prefix, keys, ttlMs } = settings;
// As the guides say: without the word of a replica the side that is cut off would go on renewing.
const coordination = openCoordination({ url, identity: name, prefix, minReplicas: 1 });
await coordination.ready();
const mutex = await openMutex(kind, coordination, ttlMs);
const resource = await openResource('sqlite-fence', { coordination, file: settings.resourceFile });
const taken = new Map<string, { held: Held; grantedMs: number; assertedMs: number; lostMs: number }>();

const asserting = setInterval(() => {
  for (const one of taken.values()) {
    const nowMs = Date.now();
    try {
      one.held.assertHeld();
      one.assertedMs = nowMs;
    } catch {}
  }
}, assertEveryMs);

const say = (answer: object) => void process.stdout.write(`${JSON.stringify(answer)}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'end') break;
  if (line === 'take') {
    await Promise.all(keys.map(take));
    say({ holding: taken.size });
  } else if (line === 'write') {
    const done = await Promise.all([...taken].map(([key, { held }]) => resource.write(key, held.epoch)));
    say({ written: done.filter(Boolean).length, refused: done.filter((isDone) => !isDone).length });
  } else {
    say(
      [...taken].map(([key, { held, ...times }]): Belief => {
        return { key, epoch: held.epoch, ...times, reason: held.lossReason ?? '' };
      }),
    );
  }
}
clearInterval(asserting);
await Promise.all([...taken.values()].map(({ held }) => held.release()));
resource.close();
await coordination.close();
process.stdin.destroy();

async function take(key: string): Promise<void> {
  for (;;) {
    const held = await mutex.tryAcquire(key);
    if (typeof held === 'string') {
      await coordination.clock.sleep(retryMs);
      continue;
    }
    const one = { held, grantedMs: Date.now(), assertedMs: 0, lostMs: 0 };
    const onAbort = () => {
      one.lostMs = Date.now();
    };
    if (held.signal.aborted) onAbort();
    else held.signal.addEventListener('abort', onAbort, { once: true });
    taken.set(key, one);
    return;
  }
}
