import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createCallbacks } from '../../../../shared/coordination/callback/callbacks.ts';
import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { type OpenCoordinationOptions, openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';

const call = { scope: 'stripe', key: 'evt_1', body: '{"amount":12}' };

async function open(t: Lifetime, how: Partial<OpenCoordinationOptions>) {
  let close = async () => {};
  t.after(() => close());
  const server = await startRedis(t);
  const coordination = openCoordination({ url: server.url, identity: 'host/test', ...how });
  close = () => coordination.close();
  await coordination.ready();
  await seedBoot(coordination.redis, coordination.prefix);
  return { server, coordination, callbacks: createCallbacks(coordination, { processingMs: 400 }) };
}

test('a server that took over begins nothing new while an attempt that it does not know may still run', async (t) => {
  const { coordination, callbacks } = await open(t, { guard: 'failover' });
  // The first question after the start of a server finds its run id new.
  await eventually(() => callbacks.callback({ ...call, key: 'evt_0' }, () => ({ body: 'first' })));
  const boot = `${coordination.prefix}:boot`;
  assert.match((await coordination.redis.get(boot))!, /^\d+ [0-9a-f]{40}$/);
  await coordination.redis.set(boot, '1 abcdef');
  let runs = 0;
  const handler = () => {
    runs++;
    return { body: 'done' };
  };
  await assert.rejects(callbacks.callback(call, handler), { code: 'CALLBACK_IN_PROGRESS' });
  assert.equal(runs, 0);
  const result = await eventually(() => callbacks.callback(call, handler));
  assert.equal(result.outcome, 'processed');
  assert.equal(runs, 1);
});

test('a callback of which too few replicas know is not run, and leaves nothing to be reconciled', async (t) => {
  const { coordination, callbacks } = await open(t, { minReplicas: 1 });
  let runs = 0;
  const handler = () => {
    runs++;
    return { body: 'done' };
  };
  await assert.rejects(callbacks.callback(call, handler), { code: 'STORE_UNREACHABLE' });
  assert.equal(runs, 0);
  const record = `${coordination.prefix}:callback:${call.scope}:${call.key}`;
  assert.equal(await coordination.redis.hget(record, 'state'), 'failed');
});
