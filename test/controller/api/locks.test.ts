import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocks } from '../../../shared/coordination/lock/locks.ts';
import { eventually } from '../../support/eventually.ts';
import { buildTestApp, type TestApp } from './build-test-app.ts';

const [alice, bob] = ['alice-0123456789abc', 'bob-0123456789abcdef'] as const;
const path = `/v1/locks/${encodeURIComponent('order:42')}`;

const acquire = (app: TestApp, holder: string, more: object = {}) =>
  app.asService('POST', `${path}/acquire`, { holder, identity: `py/${holder.slice(0, 3)}`, ttlMs: 5000, ...more });

test('a lock taken over HTTP keeps others out, is renewed, shown and given back', async (t) => {
  const app = await buildTestApp(t);
  const first = await acquire(app, alice);
  const { token } = first.json as { token: number };
  assert.deepEqual(first.json, { name: 'order:42', token, expiresInMs: 5000 });
  assert.deepEqual((await acquire(app, alice)).json, first.json, 'a retry finds its own');
  assert.partialDeepStrictEqual((await acquire(app, bob)).json, { status: 409, code: 'LOCK_TIMEOUT' });
  const renewed = await app.asService('POST', `${path}/renew`, { holder: alice, ttlMs: 6000 });
  assert.deepEqual(renewed.json, { name: 'order:42', token, expiresInMs: 6000 });
  const stolen = await app.asService('POST', `${path}/renew`, { holder: bob });
  assert.partialDeepStrictEqual(stolen.json, { status: 409, code: 'LEASE_LOST' });

  const { json: list } = await app.asService('GET', '/v1/locks?match=order');
  assert.partialDeepStrictEqual(list, [
    { name: 'order:42', kind: 'lock', holders: [{ identity: 'py/ali', token }], waiters: [] },
  ]);
  assert.equal((await app.asService('POST', `${path}/release`, { holder: alice })).status, 204);
  assert.equal((await app.asService('POST', `${path}/release`, { holder: alice })).status, 204, 'once more is no harm');
  assert.deepEqual((await app.asService('GET', '/v1/locks')).json, []);
});

test('services over HTTP and services in Node stand in one line', async (t) => {
  const app = await buildTestApp(t);
  const locks = createLocks(app.services);
  const held = await locks.lock('order:42');
  const waiting = acquire(app, alice, { waitMs: 10_000 });
  await eventually(async () => {
    const [view] = await locks.list();
    assert.partialDeepStrictEqual(view, { waiters: [{ identity: 'py/ali', kind: 'lock' }] });
  });
  await held.release();
  const { token } = (await waiting).json as { token: number };
  assert.ok(token > held.token);
  assert.equal(await locks.tryLock('order:42'), null);
});

test('an operator breaks a lock by its token; a service may not', async (t) => {
  const app = await buildTestApp(t);
  const { token } = (await acquire(app, alice)).json as { token: number };
  assert.equal((await app.asService('DELETE', `${path}?token=${token}`)).status, 401);
  assert.partialDeepStrictEqual((await app.call('DELETE', `${path}?token=1`)).json, { code: 'LOCK_NOT_FOUND' });
  assert.equal((await app.call('DELETE', `${path}?token=${token}`)).status, 204);
  const lost = await app.asService('POST', `${path}/renew`, { holder: alice });
  assert.partialDeepStrictEqual(lost.json, { code: 'LEASE_LOST' });
});

test('read-write locks and semaphores are shown with all that hold and wait', async (t) => {
  const app = await buildTestApp(t);
  const locks = createLocks(app.services);
  const [first, second] = [await locks.readLock('prices'), await locks.readLock('prices')];
  const writing = locks.writeLock('prices');
  const permit = await locks.semaphore('cpu', { permits: 2 }).acquire();
  await eventually(async () => {
    const { json } = await app.asService('GET', '/v1/locks');
    assert.partialDeepStrictEqual(json, [
      { name: 'cpu', kind: 'semaphore', holders: [{ token: permit.token }], waiters: [] },
      { name: 'prices', kind: 'read', holders: [{}, {}], waiters: [{ kind: 'write' }] },
    ]);
  });
  await Promise.all([first.release(), second.release(), permit.release()]);
  await (await writing).release();
  assert.deepEqual((await app.asService('GET', '/v1/locks')).json, []);
});
