import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Redis } from 'ioredis';

import { startPrivateServer } from '../../../shared/redis/private-server.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

test('a private server is found again by its directory, keeps its data, and shows its password to nobody', async (t) => {
  const directory = tempDirectory(t);
  const server = await startPrivateServer({ directory });
  t.after(() => server.close());
  assert.equal(server.isNew, true);
  assert.equal(statSync(join(directory, 'redis.conf')).mode & 0o777, 0o600);
  const password = new URL(server.url).password;
  assert.ok(!readFileSync(`/proc/${server.pid}/cmdline`, 'utf8').includes(password));

  const client = new Redis(server.url);
  t.after(() => client.disconnect());
  await client.set('kept', 'yes');

  const found = await startPrivateServer({ directory });
  assert.deepEqual([found.pid, found.url, found.isNew], [server.pid, server.url, false]);

  await server.close();
  const again = await startPrivateServer({ directory });
  t.after(() => again.close());
  assert.notEqual(again.pid, server.pid);
  assert.equal(again.url, server.url);
  assert.equal(await client.get('kept'), 'yes');
});

test('a private server that others are to reach listens at that address too, and its URL says so', async (t) => {
  const directory = tempDirectory(t);
  const server = await startPrivateServer({ directory, address: '127.0.0.2' });
  t.after(() => server.close());
  assert.equal(new URL(server.url).hostname, '127.0.0.2');
  const client = new Redis(server.url);
  t.after(() => client.disconnect());
  assert.equal(await client.ping(), 'PONG');
  const stranger = new Redis({ host: '127.0.0.2', port: server.port, retryStrategy: () => null });
  stranger.on('error', () => {});
  t.after(() => stranger.disconnect());
  await assert.rejects(stranger.ping(), /NOAUTH/);
});
