import assert from 'node:assert/strict';
import { test } from 'node:test';
import { givenUpAfterMs } from '../../../controller/port-pools/judge-host.ts';
import { createPortReaper, type PortReaperOptions } from '../../../controller/port-pools/port-reaper.ts';
import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { portKeys } from '../../../shared/coordination/port-pool/port-keys.ts';
import { createPortPools } from '../../../shared/coordination/port-pool/port-pools.ts';
import { systemClock } from '../../../shared/runtime/clock.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startRedis } from '../../support/redis.ts';

const intervalMs = 10;
const node = { id: 'node-1', name: 'h1', state: 'ready' } as const;

async function build(t: Lifetime) {
  const closers: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const server = await startRedis(t);
  let aheadMs = 0;
  // Sleeps stay real, so that looks come by themselves; only the instant is moved.
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  const coordination = openCoordination({ url: server.url, identity: 'test', clock });
  closers.push(() => coordination.close());
  await coordination.ready();
  await seedBoot(coordination.redis, coordination.prefix);
  const join = async (ownerTtlMs = 15_000) => {
    const service = openCoordination({ url: server.url, identity: 'h1/service' });
    closers.push(() => service.close());
    await service.ready();
    return createPortPools(service, {
      ...{ host: 'h1', pools: { adb: { from: 30_000, to: 30_009 } }, checksBind: false, ownerTtlMs },
    });
  };
  const service = await join();
  const leaveBehind = async (ports: number) => {
    const allocation = await service.allocate({ adb: ports }, { owner: 'emulator-1' });
    return allocation.ports.adb!;
  };
  const questions: (readonly number[])[] = [];
  const reap = (options: Partial<PortReaperOptions> = {}) => {
    const reaper = createPortReaper({
      coordination,
      nodes: async () => [node],
      askListeners: async (_nodeId, ports) => {
        questions.push(ports);
        return { listeners: [] };
      },
      term: () => 7,
      intervalMs,
      ...options,
    });
    closers.push(() => reaper.close());
  };
  const orphaned = async () => (await service.usage())[0]!.orphaned;
  const advance = (ms: number) => {
    aheadMs += ms;
  };
  return { server, coordination, service, join, leaveBehind, reap, orphaned, questions, advance };
}

test('ports of which the host says that nobody listens come back; those of an allocation that listens stay', async (t) => {
  const { service, leaveBehind, reap, orphaned, questions } = await build(t);
  const [used, unused] = [await leaveBehind(2), await leaveBehind(1)];
  await service.close();
  let listening = used.slice(0, 1);
  reap({
    askListeners: async (_nodeId, ports) => {
      questions.push(ports);
      const listener = { protocol: 'tcp', address: '0.0.0.0', pid: null, startTime: null } as const;
      return { listeners: listening.map((port) => ({ ...listener, port })) };
    },
  });
  await eventually(async () => (await orphaned()) === 2);
  assert.deepEqual([...questions[0]!].sort(), [...used, ...unused].sort());
  await eventually(() => questions.length > 4);
  assert.equal(await orphaned(), 2);
  assert.deepEqual((await service.usage())[0]!.quarantined, 1);
  listening = [];
  await eventually(async () => (await orphaned()) === 0);
});

test('a host that does not answer, or is silent, keeps its orphans', async (t) => {
  const { service, leaveBehind, reap, orphaned, advance } = await build(t);
  await leaveBehind(1);
  await service.close();
  let asked = 0;
  const nobody = async () => {
    asked++;
    throw new Error('NODE_UNREACHABLE');
  };
  reap({ askListeners: nobody });
  await eventually(() => asked >= 3);
  advance(givenUpAfterMs);
  const before = asked;
  await eventually(() => asked >= before + 3);
  assert.equal(await orphaned(), 1);
  let silentLooks = 0;
  reap({
    nodes: async () => {
      silentLooks++;
      return [{ ...node, state: 'disconnected' }];
    },
  });
  await eventually(() => silentLooks >= 3);
  assert.equal(await orphaned(), 1);
});

test('a host that is gone is given up after ten minutes of one leadership, and not before', async (t) => {
  const { service, leaveBehind, reap, orphaned, advance } = await build(t);
  await leaveBehind(3);
  await service.close();
  let [looks, asked] = [0, 0];
  let term: number | null = 7;
  reap({
    term: () => {
      asked++;
      return term;
    },
    nodes: async () => {
      looks++;
      return [{ ...node, state: 'lost' }];
    },
  });
  await eventually(() => looks >= 2);
  // Another leads for a moment: the time counts anew.
  term = null;
  advance(givenUpAfterMs - 10_000);
  const [paused, askedBefore] = [looks, asked];
  await eventually(() => asked >= askedBefore + 3);
  term = 8;
  await eventually(() => looks >= paused + 2);
  advance(givenUpAfterMs - 10_000);
  await eventually(() => looks >= paused + 4);
  assert.equal(await orphaned(), 3);
  advance(20_000);
  await eventually(async () => (await orphaned()) === 0);
});

test('where a service lives on the host the leader leaves its orphans to it', async (t) => {
  const { service, join, leaveBehind, reap, questions, orphaned, server } = await build(t);
  const living = await join();
  await leaveBehind(1);
  await service.close();
  let looks = 0;
  reap({
    term: () => {
      looks++;
      return 7;
    },
  });
  await eventually(() => looks >= 5);
  assert.equal(questions.length, 0);
  assert.equal(await orphaned(), 1);
  await living.close();
  await eventually(async () => (await orphaned()) === 0);
  assert.equal(await server.client().get(portKeys('drover-services', '').term), '7');
});

test('a controller that does not lead, or whose term is over in the Redis of the services, takes nothing back', async (t) => {
  const { service, leaveBehind, reap, orphaned, questions, server } = await build(t);
  await leaveBehind(1);
  await service.close();
  let looks = 0;
  reap({
    term: () => {
      looks++;
      return null;
    },
  });
  await eventually(() => looks >= 3);
  assert.equal(questions.length, 0);
  const redis = server.client();
  await redis.set(portKeys('drover-services', '').term, '8');
  reap();
  await eventually(() => questions.length >= 3);
  assert.equal(await orphaned(), 1);
  // A later term: this one is the highest again.
  reap({ term: () => 9 });
  await eventually(async () => (await orphaned()) === 0);
});
