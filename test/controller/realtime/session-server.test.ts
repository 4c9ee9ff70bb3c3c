import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { io } from 'socket.io-client';
import { openDataDirectory } from '../../../agent/data-paths.ts';
import { join } from '../../../agent/join/join.ts';
import { certificateDigest } from '../../../controller/authority/certificate-authority.ts';
import { startController } from '../../../controller/run-controller.ts';
import { type HeartbeatReply, type Plan, type Reply, sessionPath } from '../../../shared/contracts/agent-session.ts';
import type { NodeFacts } from '../../../shared/contracts/entities.ts';
import { formatJoinToken } from '../../../shared/contracts/join-token.ts';
import { connectRedis } from '../../../shared/redis/connect.ts';
import { createStore } from '../../../shared/redis/store/create-store.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { ownPort } from '../../support/own-port.ts';
import { startRedis } from '../../support/redis.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const facts: NodeFacts = {
  ...{ name: 'h', address: '127.0.0.1', cores: 1, memoryBytes: 1, labels: {}, router: false, version: '0' },
  ports: { from: 20_000, to: 20_010 },
};

test('a node of the cluster gets its plan; a removed one is told to stop everything and leave', async (t) => {
  const { store, connect, joinHost } = await build(t);
  const identity = await joinHost();
  const first = await connect(identity).ask<Plan>('hello', { facts, agentId: 'one' });
  assert.ok(first.ok);
  assert.deepEqual([first.value.nodeId, first.value.removed], [identity.nodeId, false]);

  await store.nodes.remove(identity.nodeId, 'user:test');
  const back = await connect(identity).ask<Plan>('hello', { facts, agentId: 'two' });
  assert.ok(back.ok);
  assert.deepEqual([back.value.removed, back.value.assignments], [true, []]);
  assert.deepEqual(await store.nodes.list(), []);
});

test('a node that the store does not know and nobody removed is refused, and told nothing of leaving', async (t) => {
  const { client, connect, joinHost } = await build(t);
  const identity = await joinHost();
  // As after a failover that lost the last writes.
  await client.hdel('{test}:nodes', identity.nodeId);
  const reply = await connect(identity).ask<Plan>('hello', { facts, agentId: 'one' });
  assert.equal(reply.ok, false);
  assert.equal(reply.ok || reply.problem.code, 'CERTIFICATE_INVALID');
});

test('a heartbeat is answered with the controllers there are, also one that came after the session began', async (t) => {
  const { store, controller, connect, joinHost } = await build(t);
  const session = connect(await joinHost());
  await session.ask<Plan>('hello', { facts, agentId: 'one' });
  const url = 'https://127.0.0.1:1';
  const now = Date.now();
  await store.cluster.touchController({
    ...{ id: 'other', url, version: '0', leader: false, startedAt: now, seenAt: now },
  });
  const usage = { cpu: 0, memoryBytes: 0, load1: 0 };
  let counter = 0;
  await eventually(
    async () => {
      counter += 1;
      const reply = await session.ask<HeartbeatReply>('heartbeat', { counter, usage });
      assert.deepEqual(reply.ok && reply.value.controllers, [controller.url, url]);
    },
    { timeoutMs: 15_000, intervalMs: 200 },
  );
});

test('what an agent had said before it moved to another session takes back nothing that it says there', async (t) => {
  const { store, connect, joinHost } = await build(t);
  const identity = await joinHost();
  const open = async (agentId: string) => {
    const session = connect(identity);
    await session.ask<Plan>('hello', { facts, agentId });
    return async (sequence: number, epoch: number) => {
      const router = { epoch, generation: '', busy: [], errors: [], listen: '' };
      const reply = await session.ask('report', { sequence, planVersion: 0, instances: [], router });
      assert.ok(reply.ok);
      return (await store.routes.routers())[0]?.epoch;
    };
  };
  assert.equal(await (await open('one'))(5, 50), 50);
  assert.equal(await (await open('one'))(4, 40), 50, 'a controller that was paused has only now read it');
  assert.equal(await (await open('one'))(6, 60), 60);
  assert.equal(await (await open('started anew'))(1, 70), 70);
});

test('a connection without a certificate of a node gets no session', async (t) => {
  const { connect, joinHost } = await build(t);
  const { authority } = await joinHost();
  await assert.rejects(connect({ authority }).ask('plan', {}), /no certificate of a node/);
});

test('a controller ends soon while Redis hangs', async (t) => {
  const { redis, controller } = await build(t);
  redis.pause();
  const beganAtMs = performance.now();
  await controller.close();
  redis.resume();
  assert.ok(performance.now() - beganAtMs < 15_000);
});

interface Shown {
  readonly authority: string;
  readonly certificate?: string;
  readonly key?: string;
}

async function build(t: Lifetime) {
  const redis = await startRedis(t);
  const data = tempDirectory(t);
  const listen = `127.0.0.1:${await ownPort()}`;
  const { signal } = new AbortController();
  const controller = await startController(
    { listen, data, redisUrl: redis.url, keyPrefix: 'test' },
    { logger: silentLogger, signal },
  );
  t.after(() => controller.close());
  const commands = connectRedis(redis.url, 'coord');
  const messages = connectRedis(redis.url, 'pubsub');
  await Promise.all([commands.ready(), messages.ready()]);
  t.after(() => commands.close());
  t.after(() => messages.close());
  const store = await createStore({
    ...{ redis: commands.client, subscriber: messages.client, prefix: 'test', logger: silentLogger },
  });
  t.after(() => store.close());

  const joinHost = async () => {
    const secret = 's'.repeat(32);
    const token = { id: 'abcdefgh', createdAt: 1, createdBy: 'user:test', expiresAt: null, usesLeft: null };
    const secretHash = createHash('sha256').update(secret).digest('hex');
    await store.joinTokens.create({ ...token, revoked: false, labels: {} }, secretHash, 'user:test');
    const caDigest = certificateDigest(readFileSync(controller.caFile, 'utf8'));
    return join({
      controllerUrl: controller.url,
      token: formatJoinToken({ caDigest, id: token.id, secret }),
      facts,
      paths: openDataDirectory(tempDirectory(t)),
    });
  };
  const connect = ({ authority: ca, certificate: cert, key }: Shown) => {
    const socket = io(controller.url, {
      ...{ path: sessionPath, transports: ['websocket'], reconnection: false, forceNew: true, ca },
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    });
    t.after(() => void socket.disconnect());
    const connected = new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
    return {
      async ask<T>(name: string, message: unknown): Promise<Reply<T>> {
        await connected;
        return await socket.timeout(5_000).emitWithAck(name, message);
      },
    };
  };
  return { redis, controller, store, client: commands.client, connect, joinHost };
}
