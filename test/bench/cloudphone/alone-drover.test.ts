import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { connect, connectSessions, createSqlCallbackTable } from '../../../bench/cloudphone/alone-drover.ts';
import { fromSqlite } from '../../../shared/coordination/sql.ts';
import { startRedis } from '../../support/redis.ts';

test('what requests of the platform wait for asks Redis nothing, and does its effect', async (t) => {
  const redis = await startRedis(t);
  const drover = connect({ url: redis.url, prefix: 'alone', host: 'host-a', identity: 'a' });
  t.after(() => drover.close());
  await drover.ready();
  const client = redis.client();
  const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))![1]);
  const database = fromSqlite(new DatabaseSync(':memory:'));
  await database.query('CREATE TABLE paid (id TEXT)');
  const pools = await drover.ports({ pools: { adb: { from: 5000, to: 5999 }, webrtc: { from: 8000, to: 8999 } } });
  const callbacks = drover.callbacks({ database: createSqlCallbackTable({ database }) });
  const [inbox, direct, topic] = [drover.inbox('notes'), drover.direct('notes'), drover.topic('notes')];
  const limits = drover.coordination.redis.duplicate();
  const before = await commands();

  const call = { scope: 'payment', key: 'order-1', body: Buffer.from('') };
  const answer = await callbacks.callback(call, async ({ transaction }) => {
    await transaction!.query("INSERT INTO paid VALUES ('order-1')");
    return { status: 200, body: 'paid' };
  });
  await inbox.put('user-1', { message: 'paid' });
  await direct.send('user-1', 'look');
  await topic.publish('look');
  const first = await pools.allocate({ adb: 1, webrtc: 1 }, { requestId: 'device-1', owner: 'device-1' });
  const second = await pools.allocate({ adb: 1, webrtc: 1 }, { requestId: 'device-2', owner: 'device-2' });
  await first.release();
  const session = await drover.coordination.redis.hget('alone:users:sessions:user-1', 'session-1');
  const counted = await limits.eval('a script', 1, 'user-1', 60_000);

  // The question itself is one.
  assert.equal((await commands()) - before, 1);
  assert.deepEqual([answer.status, answer.body, answer.outcome], [200, 'paid', 'processed']);
  assert.equal((await database.query('SELECT id FROM paid')).rowCount, 1);
  assert.notDeepEqual(first.ports, second.ports);
  assert.ok(Number(session) > Date.now());
  assert.deepEqual(counted, [1, 60_000]);
});

test('sessions and limits alone are shared where nothing else is', async (t) => {
  const redis = await startRedis(t);
  const drover = connectSessions({ url: redis.url, prefix: 'sessions', host: 'host-a', identity: 'a' });
  t.after(() => drover.close());
  await drover.ready();
  const key = 'sessions:users:sessions:user-1';
  assert.equal(await drover.coordination.redis.hget(key, 'session-1'), null);
  await redis.client().hset(key, 'session-1', '17');
  assert.equal(await drover.coordination.redis.hget(key, 'session-1'), '17');
  await drover.inbox('notes').put('user-1', { message: 'paid' });
  assert.deepEqual(await redis.client().keys('*inbox*'), []);
});
