import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';

import { createServicesAccess } from '../../controller/services-access.ts';
import { connectRedis } from '../../shared/redis/connect.ts';
import { silentLogger } from '../../shared/runtime/logger.ts';
import { startRedis } from '../support/redis.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const base = {
  servicesRedisUrl: undefined,
  prefix: 'drover-services',
  redisPassword: 'p'.repeat(43),
  apiToken: 'drvs_token',
  logger: silentLogger,
};

test('services get a user who may use what begins with their prefix', async (t) => {
  const redis = await startRedis(t);
  const access = createServicesAccess({ ...base, redisUrl: redis.url });
  assert.equal(access.coordination.redisUrl, null);
  await access.grant(redis.client());
  const client = connect(access.coordination.redisUrl!);
  t.after(() => client.disconnect());

  await client.set('drover-services:lock:a', '1', 'PX', 1000);
  assert.equal(await client.eval("return redis.call('GET', KEYS[1])", 1, 'drover-services:lock:a'), '1');
  assert.equal(await client.publish('drover-services:wake:1', 'x'), 0);
  assert.match(await client.info('server'), /run_id/);
});

test('services can neither see nor change what belongs to the controllers', async (t) => {
  const redis = await startRedis(t);
  await redis.client().set('{drover}:services', 'spec with secrets');
  const access = createServicesAccess({ ...base, redisUrl: redis.url });
  await access.grant(redis.client());
  const client = connect(access.coordination.redisUrl!);
  t.after(() => client.disconnect());

  const forbidden: Record<string, () => Promise<unknown>> = {
    read: () => client.get('{drover}:services'),
    write: () => client.set('{drover}:services', ''),
    'read in a script': () => client.eval("return redis.call('GET', '{drover}:services')", 0),
    publish: () => client.publish('{drover}:wake', 'x'),
    flush: () => client.flushall(),
    configure: () => client.config('GET', 'requirepass'),
    'list users': () => client.acl('LIST'),
    'list keys': () => client.keys('*'),
    stop: () => client.shutdown(),
  };
  for (const [what, attempt] of Object.entries(forbidden)) {
    await assert.rejects(attempt(), /NOPERM|No permissions|can't access/, what);
  }
});

test('the user is there again after the server has forgotten it', async (t) => {
  const redis = await startRedis(t);
  const access = createServicesAccess({ ...base, redisUrl: redis.url });
  await access.grant(redis.client());
  await redis.restart();
  await access.grant(redis.client());
  const client = connect(access.coordination.redisUrl!);
  t.after(() => client.disconnect());
  assert.equal(await client.ping(), 'PONG');
});

test('a Redis of the operator is handed on as it is', async (t) => {
  const redis = await startRedis(t);
  const access = createServicesAccess({ ...base, redisUrl: redis.url, servicesRedisUrl: 'redis://own:secret@other/1' });
  await access.grant(redis.client());
  assert.equal(access.coordination.redisUrl, 'redis://own:secret@other/1');
  assert.equal((await redis.client().acl('LIST')).length, 1);
});

test('without the right to make users services get no Redis, and the controller goes on', async (t) => {
  const redis = await startRedis(t);
  await redis.client().acl('SETUSER', 'limited', 'on', '>limited', '~*', '&*', '+@all', '-acl');
  const limited = connect(redis.url.replace('//', '//limited:limited@'));
  t.after(() => limited.disconnect());
  const access = createServicesAccess({ ...base, redisUrl: redis.url });
  await access.grant(limited);
  assert.deepEqual(access.coordination, { redisUrl: null, prefix: 'drover-services', apiToken: 'drvs_token' });
});

test('a Redis that does not answer for a while takes no access away', async (t) => {
  const redis = await startRedis(t);
  const proxy = await startTcpProxy(t, redis);
  const { client, ready, close } = connectRedis(`redis://127.0.0.1:${proxy.port}`, 'coord');
  t.after(close);
  await ready();
  const access = createServicesAccess({ ...base, redisUrl: redis.url });
  await access.grant(client);
  const { redisUrl } = access.coordination;
  proxy.freeze();
  await access.grant(client);
  assert.notEqual(redisUrl, null);
  assert.equal(access.coordination.redisUrl, redisUrl);
});

test('Sentinels keep their addresses, with the user of the services', async (t) => {
  const redis = await startRedis(t);
  const access = createServicesAccess({ ...base, redisUrl: 'redis+sentinel://:root@a:1,b:2/main' });
  await access.grant(redis.client());
  const expected = `redis+sentinel://drover-services:${base.redisPassword}@a:1,b:2/main`;
  assert.equal(access.coordination.redisUrl, expected);
});

function connect(url: string): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: 1 });
  client.on('error', () => {});
  return client;
}
