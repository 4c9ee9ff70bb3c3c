import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCrons } from '../../../shared/coordination/cron/crons.ts';
import { eventually } from '../../support/eventually.ts';
import { buildTestApp } from './build-test-app.ts';

const everyHour = '0 * * * *';

test('a job of a service is listed, paused, resumed, run by hand, and its runs are shown', async (t) => {
  const { asService, services } = await buildTestApp(t);
  const crons = createCrons(services);
  const job = crons.cron('orders/expire', everyHour, ({ trigger }) => ({ trigger }), { timeZone: 'Asia/Shanghai' });
  await job.ready;
  const path = `/v1/crons/${encodeURIComponent('orders/expire')}`;

  const { json: list } = await asService('GET', '/v1/crons');
  const [view] = list as Record<string, unknown>[];
  assert.partialDeepStrictEqual(view, {
    ...{ name: 'orders/expire', schedule: everyHour, timeZone: 'Asia/Shanghai', overlap: 'skip', paused: false },
    ...{ running: null, missed: 0, asked: 0, hosts: ['controller-test'] },
  });

  assert.partialDeepStrictEqual((await asService('POST', `${path}/pause`)).json, { paused: true, nextTickAt: null });
  assert.partialDeepStrictEqual((await asService('POST', `${path}/resume`)).json, { paused: false });

  const { status, json } = await asService('POST', `${path}/trigger`);
  assert.equal(status, 202);
  await eventually(async () => {
    const { json: runs } = await asService('GET', `${path}/runs?limit=5`);
    const expected = { ...(json as object), trigger: 'manual', outcome: 'succeeded', result: { trigger: 'manual' } };
    assert.partialDeepStrictEqual(runs, [expected]);
  });
  await crons.close();
});

test('a tick that is claimed over HTTP is had by one caller, once, also when the claim is repeated', async (t) => {
  const { asService } = await buildTestApp(t);
  const claim = (holder: string) =>
    asService('POST', '/v1/crons/report/claim', {
      ...{ holder, identity: `py/${holder.slice(0, 3)}`, schedule: '* * * * * *', runTtlMs: 5000 },
    });
  // A new job begins with the tick after its declaration.
  await claim('aaa-0123456789abcdef');
  const first = await eventually(async () => {
    const { json } = await claim('aaa-0123456789abcdef');
    return (json as { claimed: boolean }).claimed && (json as { tick: number; runId: string; token: number });
  });
  assert.equal(first.runId, `report@${new Date(first.tick).toISOString()}`);
  const second = await claim('bbb-0123456789abcdef');
  assert.partialDeepStrictEqual(second.json, { claimed: false });

  const holder = 'aaa-0123456789abcdef';
  const run = { holder, tick: first.tick };
  assert.equal((await asService('POST', '/v1/crons/report/extend', run)).status, 204);
  const stranger = { ...run, holder: 'bbb-0123456789abcdef' };
  assert.partialDeepStrictEqual((await asService('POST', '/v1/crons/report/extend', stranger)).json, {
    ...{ status: 409, code: 'LEASE_LOST' },
  });
  const end = { ...run, outcome: 'failed', durationMs: 12, error: 'no database' };
  assert.equal((await asService('POST', '/v1/crons/report/finish', end)).status, 204);
  assert.equal((await asService('POST', '/v1/crons/report/finish', end)).status, 204, 'once more does no harm');
  const { json: runs } = await asService('GET', '/v1/crons/report/runs');
  const mine = (runs as { tick: number }[]).filter(({ tick }) => tick === first.tick);
  assert.partialDeepStrictEqual(mine, [
    { outcome: 'failed', error: 'no database', durationMs: 12, identity: 'py/aaa' },
  ]);
});

test('what does not fit is refused by name, and a job that nobody declares is not found', async (t) => {
  const { asService } = await buildTestApp(t);
  const missing = await asService('POST', '/v1/crons/none/pause');
  assert.partialDeepStrictEqual(missing.json, { status: 404, code: 'CRON_NOT_FOUND' });
  const body = { holder: 'short', identity: 'py/1', schedule: '61 * * * *' };
  const refused = await asService('POST', '/v1/crons/report/claim', body);
  assert.partialDeepStrictEqual(refused.json, { status: 400, issues: [{ path: 'holder' }] });
  const pattern = await asService('POST', '/v1/crons/report/claim', { ...body, holder: 'aaa-0123456789abcdef' });
  assert.partialDeepStrictEqual(pattern.json, { status: 400, code: 'ARGUMENT_INVALID' });
});

test('the token of services is good for coordination, and for nothing else', async (t) => {
  const { asService, app } = await buildTestApp(t);
  assert.equal((await asService('GET', '/v1/crons')).status, 200);
  for (const path of ['/v1/services', '/v1/nodes', '/v1/join-tokens', '/v1/cluster']) {
    assert.partialDeepStrictEqual((await asService('GET', path)).json, { status: 401, code: 'TOKEN_INVALID' });
  }
  assert.equal((await app.inject({ method: 'GET', url: '/v1/crons' })).statusCode, 401);
});
