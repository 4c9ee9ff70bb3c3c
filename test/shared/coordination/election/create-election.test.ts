import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Redis } from 'ioredis';

import {
  type Campaign,
  createElection,
  type Election,
  type ElectionOptions,
} from '../../../../shared/coordination/election/election.ts';
import type { Leader } from '../../../../shared/coordination/election/read-leader.ts';
import { leaseKeys } from '../../../../shared/coordination/lease/lease-keys.ts';
import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { type OpenCoordination, openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import type { Clock } from '../../../../shared/runtime/clock.ts';
import { FakeClock } from '../../../../shared/runtime/fake-clock.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';

const prefix = 'test';
const keys = leaseKeys('poller', prefix);
/** Long enough that only a release, never the end of the lease, can explain a change. */
const longTtlMs = 60_000;

interface Candidate {
  readonly coordination: OpenCoordination;
  readonly election: Election;
  readonly standing: Campaign;
}

async function start(t: Lifetime) {
  const opened: OpenCoordination[] = [];
  const elections: Election[] = [];
  t.after(async () => {
    await Promise.all(elections.map((election) => election.close()));
    await Promise.all(opened.map((coordination) => coordination.close()));
  });
  const server = await startRedis(t);
  const redis = server.client();
  await seedBoot(redis, prefix);
  /** Who was elected with which term, in the order in which it happened. */
  const elected: Leader[] = [];

  async function open(identity: string, more: { url?: string; clock?: Clock } = {}) {
    const coordination = openCoordination({ url: server.url, identity, prefix, ...more });
    opened.push(coordination);
    await coordination.ready();
    return coordination;
  }

  function create(coordination: OpenCoordination, options: ElectionOptions = { ttlMs: longTtlMs }) {
    const election = createElection(coordination, 'poller', options);
    elections.push(election);
    return election;
  }

  /** Stands behind all that stand already. */
  async function stand(identity: string, options?: ElectionOptions): Promise<Candidate> {
    const coordination = await open(identity);
    const election = create(coordination, options);
    const standing = election.campaign(leading(identity));
    await eventually(async () => election.term !== undefined || (await line(redis)).includes(identity));
    return { coordination, election, standing };
  }

  const leading = (identity: string) => ({
    async onElected(term: number, signal: AbortSignal) {
      elected.push({ identity, term });
      if (!signal.aborted) await once(signal, 'abort');
    },
  });

  return { server, redis, elected, open, create, stand, leading };
}

async function line(redis: Redis): Promise<string[]> {
  return (await redis.zrange(keys.line, '0', '-1')).map((candidate) => candidate.split(' ')[1]!);
}

function assertRising(terms: readonly number[]): void {
  for (const [index, term] of terms.entries()) assert.ok(index === 0 || term > terms[index - 1]!, terms.join(' '));
}

test('five candidates lead in the order in which they stood, over many resignations', async (t) => {
  const { redis, elected, stand } = await start(t);
  const names = ['a', 'b', 'c', 'd', 'e'];
  const candidates: Candidate[] = [];
  for (const name of names) candidates.push(await stand(name));
  const rounds = 6;
  for (let count = 0; count < rounds * names.length; count++) {
    const leader = candidates[count % names.length]!;
    await eventually(() => leader.election.term !== undefined);
    await eventually(async () => (await line(redis)).length === names.length - 1);
    await leader.election.resign();
    assert.equal(leader.election.term, undefined);
  }
  await eventually(() => elected.length > rounds * names.length);
  const order = elected.map(({ identity }) => identity);
  assert.deepEqual(
    order,
    order.map((_, index) => names[index % names.length]),
  );
  assertRising(elected.map(({ term }) => term));
});

test('a candidate that closes leaves nothing behind, and those after it move up', async (t) => {
  const { redis, elected, stand } = await start(t);
  const [a, b, c] = [await stand('a'), await stand('b'), await stand('c')];
  assert.deepEqual(await line(redis), ['b', 'c']);
  await b.election.close();
  assert.deepEqual(await line(redis), ['c']);
  await a.election.close();
  await eventually(() => c.election.term !== undefined);
  await c.election.close();
  assert.deepEqual(
    elected.map(({ identity }) => identity),
    ['a', 'c'],
  );
  assert.deepEqual((await redis.keys('*')).sort(), [keys.boot, keys.epoch].sort());
});

test('one that resigns alone, from within its term, leads again with a higher term', async (t) => {
  const { open, create } = await start(t);
  const election = create(await open('a'));
  const terms: number[] = [];
  election.campaign({
    async onElected(term, signal) {
      terms.push(term);
      if (terms.length === 1) await election.resign();
      else if (!signal.aborted) await once(signal, 'abort');
    },
  });
  await eventually(() => terms.length === 2);
  assertRising(terms);
});

test('a term whose work fails is given back, and another leads', async (t) => {
  const { open, create, stand, elected } = await start(t);
  const election = create(await open('failing'));
  let failures = 0;
  election.campaign({
    async onElected() {
      failures++;
      await eventually(async () => elected.length > 0 || (await line(redisOf(second))).includes('b'));
      throw new Error('broken');
    },
    onLost() {
      throw new Error('broken too');
    },
  });
  await eventually(() => failures === 1);
  const second = await stand('b');
  await eventually(() => second.election.term !== undefined);
  assert.equal(failures, 1);
});

const redisOf = ({ coordination }: Candidate) => coordination.redis;

test('a message wakes each candidate for one ask, and the news of an election for none', async (t) => {
  const { redis, stand, open, create, leading } = await start(t);
  await stand('a');
  // Their time stands still, so that nothing but a message makes them ask.
  const clock = new FakeClock();
  let asks = 0;
  const crowd = 5;
  for (let index = 0; index < crowd; index++) {
    const coordination = await open(`crowd-${index}`, { clock });
    const counting = new Proxy(coordination.redis, {
      get(target, property) {
        if (property === 'evalsha') asks++;
        const value = Reflect.get(target, property, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    create({ ...coordination, redis: counting, clock }).campaign(leading(`crowd-${index}`));
  }
  // One sleep of each is its rest; a subscription that was just confirmed is a reason to look, too.
  const atRest = async () => {
    let before = -1;
    await eventually(
      () => {
        const isSame = before === asks && clock.sleeping >= crowd && asks >= crowd;
        before = asks;
        return isSame;
      },
      { intervalMs: 150 },
    );
    return asks;
  };
  const subscribers = async () => Number((await redis.pubsub('NUMSUB', keys.wakeChannel))[1]);
  await eventually(async () => (await subscribers()) === crowd + 1);
  const before = await atRest();
  for (let count = 0; count < 10; count++) await redis.publish(keys.wakeChannel, 'elected');
  assert.equal(await atRest(), before);
  await redis.publish(keys.wakeChannel, 'released');
  await eventually(() => asks >= before + crowd);
  assert.equal(await atRest(), before + crowd);
});

test('an observer is told who leads, then each change, also over a connection that broke', async (t) => {
  const { redis, open, create, stand } = await start(t);
  const watching = create(await open('watcher'));
  const told: (string | null)[] = [];
  const watched = (async () => {
    for await (const leader of watching.observe()) told.push(leader?.identity ?? null);
  })();
  await eventually(() => told.length === 1);
  const a = await stand('a');
  await eventually(() => told.at(-1) === 'a');
  assert.equal((await watching.leader())?.term, a.election.term);
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await a.election.close();
  await eventually(() => told.at(-1) === null);
  const b = await stand('b');
  await eventually(() => told.at(-1) === 'b');
  await b.election.close();
  await eventually(() => told.at(-1) === null);
  assert.deepEqual(told, [null, 'a', null, 'b', null]);
  await watching.close();
  await watched;
});

test('an observer sees the end of a leader that told nobody', async (t) => {
  const { redis, open, create } = await start(t);
  const election = create(await open('watcher'), { ttlMs: 300 });
  await redis.mset(keys.lease, 'token gone', keys.epoch, '7');
  await redis.pexpire(keys.lease, 2_000);
  const told: (Leader | null)[] = [];
  const watched = (async () => {
    for await (const leader of election.observe()) told.push(leader);
  })();
  await eventually(() => told.length === 2);
  await election.close();
  await watched;
  assert.deepEqual(told, [{ identity: 'gone', term: 7 }, null]);
});

test('an observer that is no longer wanted ends at once and listens no more', async (t) => {
  const { redis, open, create } = await start(t);
  const coordination = await open('watcher');
  const election = create(coordination);
  const stop = new AbortController();
  for await (const leader of election.observe(stop.signal)) {
    assert.equal(leader, null);
    stop.abort();
  }
  await eventually(async () => (await redis.pubsub('NUMSUB', keys.wakeChannel))[1] === 0);
  for await (const leader of election.observe(stop.signal)) assert.fail(`told ${leader}`);
});

test('what an unanswered try took is given back when the candidate leaves', async (t) => {
  const { server, redis, open, create, leading, elected } = await start(t);
  const proxy = await startTcpProxy(t, { port: server.port });
  const coordination = await open('a', { url: `redis://127.0.0.1:${proxy.port}` });
  // Teaches the server the script, so that the next ask is one message.
  await create(coordination).campaign(leading('a')).close();
  await eventually(async () => (await redis.exists(keys.lease)) === 0);
  const before = elected.length;
  proxy.dropReplies();
  const election = create(coordination, { ttlMs: 1200, lockDelayMs: longTtlMs });
  election.campaign(leading('a'));
  await eventually(async () => (await redis.exists(keys.lease)) === 1);
  await election.close();
  await eventually(async () => (await redis.exists(keys.lease)) === 0);
  assert.equal(elected.length, before);
});

test('within the delay after an unclean end nobody leads and nobody is named', async (t) => {
  const { server, redis, open, create, stand, leading, elected } = await start(t);
  const proxy = await startTcpProxy(t, { port: server.port });
  const options = { ttlMs: 600, lockDelayMs: longTtlMs };
  const election = create(await open('a', { url: `redis://127.0.0.1:${proxy.port}` }), options);
  const reasons: string[] = [];
  election.campaign({ ...leading('a'), onLost: (_term, reason) => void reasons.push(reason) });
  await eventually(() => election.term !== undefined);
  const b = await stand('b', options);
  proxy.freeze();
  await eventually(() => election.term === undefined);
  assert.deepEqual(reasons, ['unreachable']);
  await eventually(async () => (await b.election.leader()) === null);
  assert.ok((await redis.pttl(keys.lease)) > options.ttlMs, 'the lease is not kept');
  assert.equal(elected.length, 1);
  // As the end of the delay.
  await redis.del(keys.lease);
  await eventually(() => b.election.term !== undefined);
});

test('mistakes are named', async (t) => {
  const { open, create, leading } = await start(t);
  const coordination = await open('a');
  const invalid = (issues: string[]) => (error: { code: string; issues: { path: string }[] }) =>
    error.code === 'ARGUMENT_INVALID' && error.issues.map(({ path }) => path).join() === issues.join();
  for (const name of ['', 'x:epoch', 'x'.repeat(257)])
    assert.throws(() => createElection(coordination, name), invalid(['name']));
  assert.throws(
    () => createElection(coordination, 'x', { ttlMs: 99, lockDelayMs: -1 }),
    invalid(['ttlMs', 'lockDelayMs']),
  );
  const election = create(coordination);
  const standing = election.campaign(leading('a'));
  assert.throws(() => election.campaign(leading('a')), invalid(['election']));
  await standing.close();
  await election.campaign(leading('a')).close();
  await election.close();
  assert.throws(() => election.campaign(leading('a')), invalid(['election']));
});
