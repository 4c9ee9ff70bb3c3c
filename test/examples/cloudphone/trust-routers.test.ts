import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';
import { trustRouters } from '../../../examples/cloudphone/shared/trust-routers.ts';

/** Who fastify believes the client to be, for a request from `peer`. */
async function clientOf(trustProxy: (address: string, hop: number) => boolean, peer: string, forwardedFor: string) {
  const app = fastify({ trustProxy });
  app.get('/', ({ ip }) => ip);
  const { body } = await app.inject({ url: '/', remoteAddress: peer, headers: { 'x-forwarded-for': forwardedFor } });
  await app.close();
  return body;
}

test('the word of a router counts for the address of the client, and that of the client does not', async () => {
  const one = trustRouters(1);
  assert.equal(await clientOf(one, '10.0.0.1', '203.0.113.9'), '203.0.113.9');
  assert.equal(await clientOf(one, '10.0.0.1', '1.1.1.1, 203.0.113.9'), '203.0.113.9');
  // Also of a client in a private network, which is no router for that.
  assert.equal(await clientOf(one, '10.0.0.1', '1.1.1.1, 10.0.0.9'), '10.0.0.9');
  assert.equal(await clientOf(one, '::1', '1.1.1.1, 2001:db8::1'), '2001:db8::1');
  assert.equal(await clientOf(one, '203.0.113.9', '1.1.1.1'), '203.0.113.9');
  const two = trustRouters(2);
  assert.equal(await clientOf(two, '10.0.0.1', '1.1.1.1, 203.0.113.9, 127.0.0.1'), '203.0.113.9');
});

test('ROUTER_NETWORKS says which routers', async () => {
  const own = trustRouters(1, '192.0.2.0/24, 2001:db8::5');
  assert.equal(await clientOf(own, '192.0.2.7', '1.1.1.1'), '1.1.1.1');
  assert.equal(await clientOf(own, '2001:db8::5', '1.1.1.1'), '1.1.1.1');
  assert.equal(await clientOf(own, '10.0.0.1', '1.1.1.1'), '10.0.0.1');
  assert.throws(() => trustRouters(1, 'router.example'), /ERR_INVALID|Invalid|invalid/);
});
