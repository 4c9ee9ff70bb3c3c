import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { connectRedis } from '../../../../shared/redis/connect.ts';
import { createKeys } from '../../../../shared/redis/keys.ts';
import { createStore } from '../../../../shared/redis/store/create-store.ts';
import { silentLogger } from '../../../../shared/runtime/logger.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';
import { request, spec } from './support/store-fixture.ts';

const redis = await startRedis({ after }, { appendonly: true });

async function connect(t: Lifetime) {
  const commands = connectRedis(redis.url, 'coord');
  const messages = connectRedis(redis.url, 'pubsub');
  await Promise.all([commands.ready(), messages.ready()]);
  const store = await createStore({
    redis: commands.client,
    subscriber: messages.client,
    prefix: 'test',
    logger: silentLogger,
    commandTimeoutMs: 200,
  });
  t.after(async () => {
    await store.close();
    await commands.close();
    await messages.close();
  });
  return store;
}

/** Redis may answer up to two seconds before it writes its append-only file: while the disk is busy. */
async function killOnceWritten(): Promise<void> {
  const client = redis.client();
  await eventually(async () => assert.match(await client.info('persistence'), /^aof_buffer_length:0\r$/m));
  await redis.kill();
}

test('while Redis does not answer, every call fails in time and says so; then it goes on', async (t) => {
  const store = await connect(t);
  redis.pause();
  try {
    const begin = performance.now();
    const unreachable = { code: 'STORE_UNREACHABLE' };
    await Promise.all([
      assert.rejects(store.leader.snapshot(), unreachable),
      assert.rejects(store.services.deploy('web', request(spec('web'))), unreachable),
      assert.rejects(store.nodes.heartbeat('a', { cpu: 0, memoryBytes: 0, load1: 0 }), unreachable),
      assert.rejects(store.events.tail(1), unreachable),
    ]);
    assert.ok(performance.now() - begin < 5_000);
  } finally {
    redis.resume();
  }
  await eventually(() => store.services.deploy('web', request(spec('web'))));
});

test('a Redis that was killed and started again has what it acknowledged, and wakes everybody', async (t) => {
  const store = await connect(t);
  await store.services.deploy('kept', request(spec('kept')));
  const kinds: string[] = [];
  store.onWake(({ kind }) => kinds.push(kind));
  await killOnceWritten();
  await assert.rejects(store.services.list(), { code: 'STORE_UNREACHABLE' });
  kinds.length = 0;
  await redis.restart();
  await eventually(() => assert.ok(kinds.includes('reconnected')), { timeoutMs: 10_000 });
  await eventually(async () => assert.ok((await store.services.get('kept')) !== null));
});

test('a revision whose number a store that lost its last writes has given again is read again', async (t) => {
  const store = await connect(t);
  const specOf = async () => {
    const { revisions } = await store.leader.snapshot();
    return revisions.find(({ service }) => service === 'again')?.spec.args;
  };
  await store.services.deploy('again', request(spec('again', { args: ['lost'] })));
  assert.deepEqual(await specOf(), ['lost']);
  const key = createKeys('test').revisions('again');
  const [before = ''] = await redis.client().hvals(key);
  await killOnceWritten();
  await redis.restart();
  await redis.client().hset(key, '1', before.replace('lost', 'given again'));
  await eventually(async () => assert.deepEqual(await specOf(), ['given again']));
});
