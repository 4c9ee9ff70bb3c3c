// Takes all its keys, asserts that it holds them, and writes under each. With `pauses` it stops itself in between, as a
// machine that is suspended does, so that its writes are sent after its leases have ended.

import { createInterface } from 'node:readline';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { type Held, type MutexKind, openMutex } from '../lib/mutex.ts';
import { openResource, type ResourceKind } from '../lib/resource.ts';

export interface PausingWriterSettings {
  readonly name: string;
  readonly url: string;
  readonly kind: MutexKind;
  readonly resource: ResourceKind;
  readonly resourceFile: string;
  readonly prefix: string;
  readonly keys: readonly string[];
  readonly ttlMs: number;
  readonly pauses: boolean;
}

const settings = JSON.parse(process.argv[2]!) as PausingWriterSettings;
const { name, url, kind, prefix, keys, ttlMs, pauses } = settings;
const coordination = openCoordination({ url, identity: name, prefix });
await coordination.ready();
const mutex = await openMutex(kind, coordination, ttlMs);
const resource = await openResource(settings.resource, { coordination, file: settings.resourceFile });

/** Between two tries for one key. */
const retryMs = 10;

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'end') break;
  if (pauses) await pauseAndWrite();
  else await Promise.all(keys.map(takeAndWrite));
  process.stdout.write('done\n');
}
resource.close();
await coordination.close();
process.stdin.destroy();

async function pauseAndWrite(): Promise<void> {
  const held = await Promise.all(keys.map(take));
  // Not one look at the clock or the network from here to the writes.
  const allowed = held.filter(isHeld);
  process.stdout.write(`pausing ${allowed.length}\n`);
  process.kill(process.pid, 'SIGSTOP');
  await Promise.all(allowed.map((one) => resource.write(keys[held.indexOf(one)]!, one.epoch)));
  await Promise.all(held.map((one) => one.release()));
}

function isHeld(held: Held): boolean {
  try {
    held.assertHeld();
    return true;
  } catch {
    return false;
  }
}

async function takeAndWrite(key: string): Promise<void> {
  const held = await take(key);
  if (isHeld(held)) await resource.write(key, held.epoch);
  await held.release();
}

async function take(key: string): Promise<Held> {
  for (;;) {
    const answer = await mutex.tryAcquire(key);
    if (typeof answer !== 'string') return answer;
    await coordination.clock.sleep(retryMs);
  }
}
