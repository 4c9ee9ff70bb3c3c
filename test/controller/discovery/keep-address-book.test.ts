import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepAddressBook } from '../../../controller/discovery/keep-address-book.ts';
import type { Node, RouterStatus } from '../../../shared/contracts/entities.ts';
import type { Snapshot } from '../../../shared/contracts/snapshot.ts';
import { discoveryKeys, readAddressBook } from '../../../shared/coordination/discovery/address-book.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import type { WakeHint } from '../../../shared/redis/store/store.ts';
import { FakeClock } from '../../../shared/runtime/fake-clock.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startRedis } from '../../support/redis.ts';

/** Steps of the clock while something is waited for, 250 at most: all of them are less than an interval … */
const atOnceMs = 10;
/** … or less than the half minute after which the cluster is read in any case. */
const soonMs = 100;
const lookAgainMs = 30_000;

async function start(t: Lifetime) {
  const closers: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const redis = await startRedis(t);
  const clock = new FakeClock();
  const coordination = openCoordination({ url: redis.url, identity: 'test', clock });
  closers.push(() => coordination.close());
  await coordination.ready();
  const listeners = new Set<(hint: WakeHint) => void>();
  const cluster = { term: 1 as number | null, port: 8_080, reads: 0, mayAnswer: Promise.resolve() };
  const book = keepAddressBook({
    coordination,
    async snapshot() {
      cluster.reads += 1;
      const { port } = cluster;
      await cluster.mayAnswer;
      const nodes = [{ id: 'n1', name: 'h1', address: '10.0.0.1', state: 'ready' } as Node];
      const routers = [{ nodeId: 'n1', listen: `0.0.0.0:${port}`, errors: [] } as unknown as RouterStatus];
      return { nodes, routers, routes: { epoch: 1, generation: 'g', services: [] } } as unknown as Snapshot;
    },
    onWake(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    term: () => cluster.term,
  });
  closers.push(() => book.close());
  const published = async () => (await readAddressBook(coordination.redis, coordination.prefix))?.routers[0]?.port;
  return {
    ...{ clock, cluster, published },
    key: discoveryKeys(coordination.prefix).book,
    redis: coordination.redis,
    tell: (kind: WakeHint['kind']) => listeners.forEach((listener) => void listener({ version: 1, kind })),
    isPublished: (port: number, stepMs = soonMs) =>
      eventually(async () => {
        await clock.advance(stepMs);
        assert.equal(await published(), port);
      }),
  };
}

test('addresses that Redis has lost are written again at the next look, and the cluster is not read for it', async (t) => {
  const { cluster, redis, key, isPublished } = await start(t);
  await isPublished(8_080);
  await redis.del(key);
  await isPublished(8_080);
  assert.equal(cluster.reads, 1);
});

test('a change of routes is written at once, and what was only reported at the next look', async (t) => {
  const { cluster, tell, isPublished } = await start(t);
  await isPublished(8_080);
  cluster.port = 8_081;
  tell('desired');
  await isPublished(8_081, atOnceMs);
  cluster.port = 8_082;
  tell('report');
  await isPublished(8_082);
});

test('what changes while the cluster is read is read after it', async (t) => {
  const { clock, cluster, tell, isPublished } = await start(t);
  const answered = Promise.withResolvers<void>();
  cluster.mayAnswer = answered.promise;
  await eventually(async () => {
    await clock.advance(soonMs);
    assert.equal(cluster.reads, 1);
  });
  cluster.port = 8_081;
  tell('report');
  answered.resolve();
  await isPublished(8_080);
  await isPublished(8_081);
});

test('a change of which no message came is seen within half a minute', async (t) => {
  const { clock, cluster, isPublished } = await start(t);
  await isPublished(8_080);
  cluster.port = 8_081;
  await clock.advance(lookAgainMs);
  await isPublished(8_081);
});

test('who does not lead writes nothing, and a new leader reads for itself', async (t) => {
  const { clock, cluster, published, isPublished, redis, key } = await start(t);
  cluster.term = null;
  await clock.advance(4 * lookAgainMs);
  assert.equal(cluster.reads, 0);
  assert.equal(await published(), undefined);
  cluster.term = 7;
  await isPublished(8_080);
  cluster.port = 8_081;
  cluster.term = 9;
  await isPublished(8_081);
  assert.equal(await redis.hget(key, 'term'), '9');
});

test('a cluster that cannot be read is read again at the next look', async (t) => {
  const { clock, cluster, isPublished } = await start(t);
  cluster.mayAnswer = Promise.reject(new Error('no answer'));
  cluster.mayAnswer.catch(() => {});
  await eventually(async () => {
    await clock.advance(soonMs);
    assert.equal(cluster.reads, 1);
  });
  cluster.mayAnswer = Promise.resolve();
  await isPublished(8_080);
});
