import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';

import { freePort } from '../../../shared/runtime/free-port.ts';

test('a free port may be listened on, and is none that the kernel gives to connections', async (t) => {
  const [lowest = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/).map(Number);
  const port = await freePort();
  assert.ok(port >= 10_000 && port < lowest, `${port}`);
  const server = createServer().listen(port, '127.0.0.1');
  t.after(() => void server.close());
  await once(server, 'listening');
});

test('a port on which somebody listens is passed over', async (t) => {
  const server = createServer().listen(10_000, '127.0.0.1');
  t.after(() => void server.close());
  // Where another has it, it is passed over all the same.
  await once(server, 'listening').catch(() => undefined);
  const values = [0, 0, 0.5];
  t.mock.method(Math, 'random', () => values.shift() ?? 0.6);
  assert.ok((await freePort()) >= 15_000);
});
