// Takes part in everything at once. Asked to `check`, it says of each primitive when it worked.

import { createInterface } from 'node:readline';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { machineMicros } from '../lib/history.ts';
import { openProbes } from './probes.ts';

export interface ParticipantSettings {
  readonly url: string;
  readonly prefix: string;
}

const { url, prefix } = JSON.parse(process.argv[2]!) as ParticipantSettings;
const coordination = openCoordination({ url, identity: 'participant', prefix });
await coordination.ready();
const probes = await openProbes(coordination);
/** Between two tries of one primitive. */
const retryMs = 20;

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'end') break;
  void Promise.all(probes.map(untilItWorks)).then(() => process.stdout.write('all\n'));
}
for (const { close } of probes) await close?.();
await coordination.close();
process.stdin.destroy();
// Nothing here ends the process: what is left open keeps it, and is a failure.

async function untilItWorks({ name, probe }: (typeof probes)[number]): Promise<void> {
  for (;;) {
    try {
      await probe();
      process.stdout.write(`works ${name} ${machineMicros()}\n`);
      return;
    } catch (error) {
      process.stdout.write(`fails ${name} ${String(error).split('\n')[0]}\n`);
      await coordination.clock.sleep(retryMs);
    }
  }
}
