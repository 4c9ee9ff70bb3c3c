import assert from 'node:assert/strict';
import { test } from 'node:test';
import { discoveryKeys, publishAddresses } from '../../../shared/coordination/discovery/address-book.ts';
import { buildTestApp } from './build-test-app.ts';

test('a service that is not Node asks for the addresses of another', async (t) => {
  const app = await buildTestApp(t);
  const unknown = await app.asService('GET', '/v1/services/billing/addresses');
  assert.partialDeepStrictEqual(unknown.json, { status: 404, code: 'SERVICE_NOT_FOUND' });

  const { book, wakeChannel } = discoveryKeys(app.services.prefix);
  const router = (node: string, address: string) => ({
    ...{ node, address, port: 80, isOwnNodeOnly: false, closedPorts: [] },
  });
  const content = {
    routers: [router('h1', '10.0.0.1'), router('h2', '10.0.0.2')],
    services: { billing: [{ port: 30_005 }] },
  };
  await publishAddresses.run(app.services.redis, [book], [1, JSON.stringify(content), wakeChannel]);
  const { status, json } = await app.asService('GET', '/v1/services/billing/addresses?node=h2');
  assert.equal(status, 200);
  assert.deepEqual(json, { urls: ['http://10.0.0.2:30005', 'http://10.0.0.1:30005'] });
});
