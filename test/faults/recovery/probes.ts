import { randomUUID } from 'node:crypto';
import { once } from 'node:events';

import { createCallbacks } from '../../../shared/coordination/callback/callbacks.ts';
import { createChannels } from '../../../shared/coordination/channel/create-channels.ts';
import { createCrons } from '../../../shared/coordination/cron/crons.ts';
import { campaign } from '../../../shared/coordination/election/election.ts';
import { createLease } from '../../../shared/coordination/lease/lease.ts';
import { createLocks } from '../../../shared/coordination/lock/locks.ts';
import type { OpenCoordination } from '../../../shared/coordination/open-coordination.ts';
import { createPortPools } from '../../../shared/coordination/port-pool/port-pools.ts';

export interface Probe {
  readonly name: string;
  /** Throws, or takes too long and then throws, while it does not work. */
  probe(): Promise<unknown>;
  close?(): unknown;
}

const ttlMs = 600;
const tickMs = 250;
/** One try; the next begins anew. */
const tryMs = 1000;

/** One of each kind, opened once and never again: what has to come back is what was open before. */
export async function openProbes(coordination: OpenCoordination): Promise<Probe[]> {
  return [
    { name: 'ping', probe: () => coordination.redis.ping() },
    leaseProbe(coordination),
    lockProbe(coordination),
    electionProbe(coordination),
    await wakeUpProbe(coordination),
    cronProbe(coordination),
    callbackProbe(coordination),
    ...(await channelProbes(coordination)),
    await portProbe(coordination),
  ];
}

function leaseProbe({ redis, prefix, identity }: OpenCoordination): Probe {
  const lease = createLease({ redis, prefix, identity, name: 'recovery', ttlMs });
  return {
    name: 'lease',
    async probe() {
      const held = await lease.acquire();
      if (!held.held) throw new Error(held.reason);
      held.assertHeld();
      await held.release();
    },
  };
}

function lockProbe(coordination: OpenCoordination): Probe {
  const locks = createLocks(coordination);
  return {
    name: 'lock',
    async probe() {
      const first = await locks.lock('recovery', { ttlMs, waitMs: tryMs });
      const second = locks.lock('recovery', { ttlMs, waitMs: tryMs });
      first.assert();
      await first.release();
      await (await second).release();
    },
  };
}

function electionProbe({ redis, prefix, identity }: OpenCoordination): Probe {
  const standing = campaign({
    ...{ redis, prefix, identity, name: 'recovery-leader', ttlMs },
    async onElected(_term, signal) {
      if (!signal.aborted) await once(signal, 'abort');
    },
  });
  return {
    name: 'election',
    async probe() {
      if (standing.term === undefined) throw new Error('not leading');
    },
    close: () => standing.close(),
  };
}

async function wakeUpProbe({ wakeUps, redis, prefix, clock }: OpenCoordination): Promise<Probe> {
  const channel = `${prefix}:recovery`;
  let heard = '';
  const listening = wakeUps.listen(channel, (message) => {
    heard = message ?? heard;
  });
  return {
    name: 'wake-ups',
    async probe() {
      const message = randomUUID();
      await redis.publish(channel, message);
      const giveUpAt = performance.now() + tryMs / 10;
      while (heard !== message) {
        if (performance.now() > giveUpAt) throw new Error('not heard');
        await clock.sleep(5);
      }
    },
    close: () => listening.close(),
  };
}

function cronProbe(coordination: OpenCoordination): Probe {
  const crons = createCrons(coordination);
  let runs = 0;
  const job = crons.cron('recovery', { everyMs: tickMs }, () => {
    runs++;
  });
  return {
    name: 'cron',
    async probe() {
      const before = runs;
      const giveUpAt = performance.now() + tryMs;
      while (runs === before) {
        if (performance.now() > giveUpAt) throw new Error('no tick ran');
        await coordination.clock.sleep(5);
      }
    },
    close: () => job.close(),
  };
}

function callbackProbe(coordination: OpenCoordination): Probe {
  const callbacks = createCallbacks(coordination);
  return {
    name: 'callback',
    async probe() {
      const call = { scope: 'recovery', key: randomUUID(), body: 'paid' };
      await callbacks.callback(call, async () => ({ status: 200, body: 'ok' }));
      const again = await callbacks.callback(call, async () => ({ status: 500, body: 'twice' }));
      if (again.outcome !== 'replayed') throw new Error('not replayed');
    },
  };
}

/** A subscription, a consumer, a presence and an inbox: each open all the time. */
async function channelProbes(coordination: OpenCoordination): Promise<Probe[]> {
  const channels = createChannels(coordination);
  const topic = channels.topic<string>('recovery-topic');
  const stream = channels.stream<string>('recovery-stream');
  const direct = channels.direct<string>('recovery-direct');
  const presence = channels.presence('recovery-presence');
  const inbox = channels.inbox<string>('recovery-inbox');
  const heard = new Set<string>();
  const hear = (message: string) => void heard.add(message);
  await topic.subscribe(hear).ready;
  stream.consume('recovery', hear);
  await direct.onMessage('somebody', hear).ready;
  await presence.join('somebody');
  const following = inbox.follow('somebody', hear);

  const untilHeard = (send: (message: string) => Promise<unknown>) => async () => {
    const message = randomUUID();
    await send(message);
    const giveUpAt = performance.now() + tryMs / 5;
    while (!heard.has(message)) {
      if (performance.now() > giveUpAt) throw new Error('not heard');
      await coordination.clock.sleep(5);
    }
  };
  return [
    { name: 'topic', probe: untilHeard((message) => topic.publish(message)), close: () => channels.close() },
    { name: 'stream', probe: untilHeard((message) => stream.publish(message)) },
    { name: 'direct', probe: untilHeard((message) => direct.send('somebody', message)) },
    { name: 'inbox', probe: untilHeard((message) => inbox.put('somebody', message)), close: () => following.close() },
    {
      name: 'presence',
      async probe() {
        if ((await presence.locate('somebody')).length !== 1) throw new Error('not present');
      },
    },
  ];
}

async function portProbe(coordination: OpenCoordination): Promise<Probe> {
  const pools = await createPortPools(coordination, {
    ...{ host: 'recovery', pools: { some: { from: 26_000, to: 26_099 } } },
    ...{ quarantineMs: 30_000, ownerTtlMs: 2000, bindAddress: '127.0.0.1' },
  });
  return {
    name: 'ports',
    async probe() {
      const allocation = await pools.allocate({ some: 1 });
      allocation.assertHeld();
      await allocation.release();
    },
    close: () => pools.close(),
  };
}
