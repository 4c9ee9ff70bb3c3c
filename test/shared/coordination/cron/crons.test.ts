import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import type { CronRun } from '../../../../shared/coordination/cron/cron-job.ts';
import { createCrons } from '../../../../shared/coordination/cron/crons.ts';
import { type OpenCoordinationOptions, openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis, type TestRedis } from '../../../support/redis.ts';

interface Host {
  readonly crons: ReturnType<typeof createCrons>;
  readonly coordination: ReturnType<typeof openCoordination>;
}

/** Hosts are closed before their Redis, which ends with the test. */
async function startCluster(t: TestContext) {
  const hosts: Host[] = [];
  t.after(async () => {
    for (const { crons, coordination } of hosts) {
      await crons.close({ graceMs: 0 });
      await coordination.close();
    }
  });
  const server = await startRedis(t);
  return {
    server,
    redis: server.client(),
    host: (identity: string, more = {}) => openHost(server, hosts, identity, more),
  };
}

async function openHost(
  server: TestRedis,
  hosts: Host[],
  identity: string,
  more: Partial<OpenCoordinationOptions> = {},
): Promise<Host> {
  const coordination = openCoordination({ url: server.url, identity, ...more });
  const host = { coordination, crons: createCrons(coordination) };
  hosts.push(host);
  await coordination.ready();
  return host;
}

test('each tick runs once on one of many hosts, in order, with a rising token', async (t) => {
  const { host } = await startCluster(t);
  const hosts = await Promise.all(['a', 'b', 'c'].map((name) => host(name)));
  const runs: CronRun[] = [];
  for (const { crons } of hosts) crons.cron('beat', { everyMs: 50 }, (run) => void runs.push(run));
  await eventually(() => assert.ok(runs.length >= 20), { timeoutMs: 10_000 });
  const ticks = runs.map((run) => run.tick.getTime());
  assert.equal(new Set(ticks).size, ticks.length);
  for (let index = 1; index < runs.length; index++) {
    assert.equal(ticks[index]! - ticks[index - 1]!, 50);
    assert.ok(runs[index]!.token > runs[index - 1]!.token);
  }
  assert.equal(runs[0]!.runId, `beat@${runs[0]!.tick.toISOString()}`);
});
