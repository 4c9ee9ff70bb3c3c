import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';

import { type CampaignOptions, campaign } from '../../../../shared/coordination/election/election.ts';
import { readLeader } from '../../../../shared/coordination/election/read-leader.ts';
import { leaseKeys } from '../../../../shared/coordination/lease/lease-keys.ts';
import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { createWakeUps } from '../../../../shared/coordination/wake-ups.ts';
import { connectRedis } from '../../../../shared/redis/connect.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';

/** The promise: another acts within 5 s of a leader's death or pause. */
const failoverBoundMs = 5000;

async function startElection(t: Lifetime) {
  const server = await startRedis(t);
  const coord = connectRedis(server.url, 'coord');
  t.after(() => coord.close());
  await coord.ready();
  await seedBoot(coord.client);
  return { server, redis: coord.client };
}

function stand(t: Lifetime, options: Pick<CampaignOptions, 'redis' | 'identity'> & Partial<CampaignOptions>) {
  const terms: number[] = [];
  const standing = campaign({
    name: 'test',
    ...options,
    async onElected(term, signal) {
      terms.push(term);
      if (!signal.aborted) await once(signal, 'abort');
    },
  });
  t.after(() => standing.close());
  return { standing, terms };
}

async function startCandidate(t: Lifetime, url: string, { ttlMs = 3000 } = {}) {
  const program = fileURLToPath(new URL('../../../fixtures/campaigns.ts', import.meta.url));
  const child = spawn(process.execPath, [program, url, `${ttlMs}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  return { child, lines: () => output.trimEnd().split('\n'), acts: () => eventually(() => /acts \d+/.test(output)) };
}

/** Identities, the first in line first. */
async function line(redis: Redis): Promise<string[]> {
  const candidates = await redis.zrange(leaseKeys('test').line, '0', '-1');
  return candidates.map((candidate) => candidate.split(' ')[1]!);
}

test('a leader that closes hands over at once, with a higher term', async (t) => {
  const { server, redis } = await startElection(t);
  const pubsub = connectRedis(server.url, 'pubsub');
  t.after(() => pubsub.close());
  const closed = new AbortController();
  t.after(() => closed.abort());
  // Long enough that only the release, never the end of the lease, can explain the change.
  const ttlMs = 60_000;
  const a = stand(t, { redis, identity: 'a', ttlMs });
  await eventually(() => a.standing.term !== undefined);
  const b = stand(t, { redis, identity: 'b', ttlMs, wakeUps: createWakeUps(pubsub.client, closed.signal) });
  assert.deepEqual(await readLeader(redis, 'test'), { identity: 'a', term: a.terms[0] });
  await a.standing.close();
  await eventually(() => b.standing.term !== undefined);
  assert.ok(b.terms[0]! > a.terms[0]!);
  assert.deepEqual(await readLeader(redis, 'test'), { identity: 'b', term: b.terms[0] });
});

test('a leader whose lease is taken learns why and stands again', async (t) => {
  const { redis } = await startElection(t);
  const losses: string[] = [];
  const onLost = (_term: number, reason: string) => void losses.push(reason);
  const a = stand(t, { redis, identity: 'a', ttlMs: 600, onLost });
  await eventually(() => a.standing.term !== undefined);
  await redis.set('drover:lease:test', 'thief', 'PX', 700);
  await eventually(() => a.terms.length === 2);
  assert.deepEqual(losses, ['taken']);
});

test('after kill -9 of the leader the first in line leads within the bound', async (t) => {
  const { server, redis } = await startElection(t);
  const { child, acts } = await startCandidate(t, server.url);
  await acts();
  const b = stand(t, { redis, identity: 'b' });
  await eventually(async () => (await line(redis)).length === 1);
  const c = stand(t, { redis, identity: 'c' });
  await eventually(async () => assert.deepEqual(await line(redis), ['b', 'c']));
  const killedAt = performance.now();
  child.kill('SIGKILL');
  await eventually(() => b.standing.term !== undefined, { timeoutMs: failoverBoundMs });
  assert.ok(performance.now() - killedAt < failoverBoundMs);
  assert.deepEqual(c.terms, []);
});

test('a leader that was paused acts no more after it wakes, and another leads within the bound', async (t) => {
  const { server, redis } = await startElection(t);
  const { child, lines, acts } = await startCandidate(t, server.url);
  await acts();
  const b = stand(t, { redis, identity: 'b' });
  child.kill('SIGSTOP');
  await eventually(() => b.standing.term !== undefined, { timeoutMs: failoverBoundMs });
  const before = lines().length;
  child.kill('SIGCONT');
  await eventually(() => lines().some((line) => line.startsWith('lost')));
  const after = lines().slice(before);
  assert.ok(!after.some((line) => line.startsWith('acts')), `it acted: ${after.join(', ')}`);
  assert.equal(b.terms.length, 1);
});

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  test(`the first in line is passed over after its ${signal}, and the next leads`, async (t) => {
    const { server, redis } = await startElection(t);
    // Long enough that only the resignation can explain the change.
    const ttlMs = 60_000;
    const a = stand(t, { redis, identity: 'a', ttlMs });
    await eventually(() => a.standing.term !== undefined);
    const { child, lines } = await startCandidate(t, server.url, { ttlMs });
    const head = `pid-${child.pid}`;
    await eventually(async () => assert.deepEqual(await line(redis), [head]));
    const b = stand(t, { redis, identity: 'b', ttlMs });
    await eventually(async () => assert.deepEqual(await line(redis), [head, 'b']));
    child.kill(signal);
    await a.standing.resign();
    await eventually(() => b.standing.term !== undefined);
    assert.equal(a.terms.length, 1);
    assert.ok(!lines().some((one) => one.startsWith('elected')));
    assert.deepEqual(await line(redis), ['a']);
    if (signal === 'SIGKILL') return;
    child.kill('SIGCONT');
    await eventually(async () => assert.deepEqual(await line(redis), ['a', head]));
  });
}
