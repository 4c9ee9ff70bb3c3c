import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connectRedis } from '../../../shared/redis/connect.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

test('a subscriber that is closed while it subscribes anew leaves no rejection unhandled', async (t) => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  t.after(() => void process.off('unhandledRejection', onUnhandled));
  const server = await startRedis(t);
  const proxy = await startTcpProxy(t, server);
  const connection = connectRedis(`redis://127.0.0.1:${proxy.port}`, 'pubsub');
  t.after(() => connection.close());
  await connection.ready();
  await connection.client.subscribe('news');
  const again = new Promise((resolve) => connection.client.once('ready', resolve));
  proxy.reset();
  await again;
  // By now the client has asked for its channels, and has no answer yet.
  await connection.close();
  await assert.rejects(connection.client.subscribe('more'));
  await eventually(() => proxy.connections === 0);
  assert.deepEqual(unhandled, []);
});

test('a connection that gives no answer is left for a new one', async (t) => {
  const server = await startRedis(t);
  const proxy = await startTcpProxy(t, server);
  const connection = connectRedis(`redis://127.0.0.1:${proxy.port}`, 'coord');
  t.after(() => connection.close());
  await connection.ready();
  proxy.freeze();
  await assert.rejects(connection.client.get('x'));
  await eventually(() => assert.equal(connection.state, 'down'));
  proxy.thaw();
  await connection.ready();
});
