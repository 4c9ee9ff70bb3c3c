import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AddressBook,
  discoveryKeys,
  findUrls,
  publishAddresses,
} from '../../../../shared/coordination/discovery/address-book.ts';
import { createDiscovery } from '../../../../shared/coordination/discovery/discovery.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';

const router = (node: string, more: Partial<AddressBook['routers'][number]> = {}) => ({
  ...{ node, address: `10.0.0.${node.slice(1)}`, port: 8080, isOwnNodeOnly: false, closedPorts: [] },
  ...more,
});
const bookOf = (port: number): AddressBook => ({ routers: [router('h1')], services: { billing: [{ port }] } });

async function build(t: Lifetime) {
  const closers: (() => Promise<void> | void)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const redis = await startRedis(t);
  const open = async () => {
    const coordination = openCoordination({ url: redis.url, identity: 'test' });
    closers.push(() => coordination.close());
    await coordination.ready();
    return coordination;
  };
  const leader = await open();
  const { book, wakeChannel } = discoveryKeys(leader.prefix);
  const publish = (term: number, content: AddressBook) =>
    publishAddresses.run(leader.redis, [book], [term, JSON.stringify(content), wakeChannel]);
  const discovery = createDiscovery(await open(), { host: 'h1', given: new Map([['given', 'http://127.0.0.1:1']]) });
  closers.push(() => discovery.close());
  return { redis, publish, discovery };
}

test('the router of the own host comes first, and one that cannot be reached or lacks the port not at all', () => {
  const book: AddressBook = {
    routers: [
      router('h1'),
      router('h2', { address: 'fd00::2' }),
      router('h3', { isOwnNodeOnly: true, address: '127.0.0.1' }),
      router('h4', { closedPorts: [30_005] }),
    ],
    services: { billing: [{ port: 30_005 }], docs: [{ path: '/docs/' }], plain: [] },
  };
  assert.deepEqual(findUrls(book, 'billing', 'h2'), ['http://[fd00::2]:30005', 'http://10.0.0.1:30005']);
  assert.deepEqual(findUrls(book, 'billing', 'h3')[0], 'http://127.0.0.1:30005');
  assert.deepEqual(findUrls(book, 'docs', 'h4')[0], 'http://10.0.0.4:8080/docs');
  assert.deepEqual(findUrls(book, 'plain', 'h1'), []);
  assert.deepEqual(findUrls(book, 'constructor', 'h1'), []);
});

test('a host without a router begins at another one than its neighbour', () => {
  const book: AddressBook = { routers: [router('h1'), router('h3'), router('h5')], services: { a: [{ port: 1 }] } };
  const first = (node: string) => findUrls(book, 'a', node)[0];
  assert.deepEqual(
    [first('h2'), first('h4'), first('h6')],
    ['http://10.0.0.3:1', 'http://10.0.0.5:1', 'http://10.0.0.1:1'],
  );
});

test('a service is found by its name, and a change is followed', async (t) => {
  const { publish, discovery } = await build(t);
  assert.equal(await publish(1, bookOf(30_005)), 2);
  const billing = discovery.service('billing');
  assert.equal(await billing.url(), 'http://10.0.0.1:30005');
  assert.deepEqual(await billing.urls(), ['http://10.0.0.1:30005']);
  await publish(1, bookOf(30_105));
  await eventually(async () => (await billing.url()) === 'http://10.0.0.1:30105');
});

test('a service that nobody knows is refused by name, with those that are known', async (t) => {
  const { publish, discovery } = await build(t);
  await assert.rejects(discovery.service('nope').url(), { code: 'SERVICE_NOT_FOUND', message: /nope.*none/ });
  await publish(1, bookOf(1));
  await eventually(() =>
    assert.rejects(discovery.service('nope').url(), { code: 'SERVICE_NOT_FOUND', message: /known are: billing/ }),
  );
});

test('what was read stays in use while Redis is away, and is read again when it is back', async (t) => {
  const { redis, publish, discovery } = await build(t);
  await publish(1, bookOf(1));
  assert.equal(await discovery.service('billing').url(), 'http://10.0.0.1:1');
  await redis.kill();
  assert.equal(await discovery.service('billing').url(), 'http://10.0.0.1:1');
  await redis.restart();
  await eventually(() => publish(1, bookOf(2)));
  await eventually(async () => (await discovery.service('billing').url()) === 'http://10.0.0.1:2');
});

test('without Redis and with nothing read the answer is that, in time', async (t) => {
  const { redis, discovery } = await build(t);
  redis.pause();
  await assert.rejects(discovery.service('billing').url(), { code: 'STORE_UNREACHABLE' });
  redis.resume();
  assert.equal(await discovery.service('given').url(), 'http://127.0.0.1:1');
});

test('a leader whose term is over changes no address', async (t) => {
  const { publish, discovery } = await build(t);
  assert.equal(await publish(2, bookOf(2)), 2);
  assert.equal(await publish(1, bookOf(1)), 0);
  assert.equal(await publish(3, bookOf(2)), 1);
  assert.equal(await publish(2, bookOf(1)), 0);
  assert.equal(await discovery.service('billing').url(), 'http://10.0.0.1:2');
});
