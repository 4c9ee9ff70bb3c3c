import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import type { CronRun } from '../../../../shared/coordination/cron/cron-job.ts';
import { cronKeys } from '../../../../shared/coordination/cron/cron-keys.ts';
import { createCrons } from '../../../../shared/coordination/cron/crons.ts';
import { type OpenCoordinationOptions, openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { systemClock } from '../../../../shared/runtime/clock.ts';
import { startClient } from '../../../faults/lib/client-process.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis, type TestRedis } from '../../../support/redis.ts';
import { tempDirectory } from '../../../support/temp-directory.ts';

interface Host {
  readonly crons: ReturnType<typeof createCrons>;
  readonly coordination: ReturnType<typeof openCoordination>;
}

/** Hosts are closed before their Redis, which ends with the test. */
async function startCluster(t: TestContext, options: Parameters<typeof startRedis>[1] = {}) {
  const hosts: Host[] = [];
  t.after(async () => {
    for (const { crons, coordination } of hosts) {
      await crons.close({ graceMs: 0 });
      await coordination.close();
    }
  });
  const server = await startRedis(t, options);
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

const beat = { everyMs: 50 };
const hang = (run: CronRun) => new Promise<void>((resolve) => run.signal.addEventListener('abort', () => resolve()));

test('each tick runs once on one of many hosts, in order, with a rising token', async (t) => {
  const { host } = await startCluster(t);
  const hosts = await Promise.all(['a', 'b', 'c'].map((name) => host(name)));
  const runs: CronRun[] = [];
  // However late a host is: no tick is left out behind a run whose end is still on its way.
  const options = { overlap: 'queue', catchUp: 'all' } as const;
  for (const { crons } of hosts) crons.cron('beat', { everyMs: 50 }, (run) => void runs.push(run), options);
  await eventually(() => assert.ok(runs.length >= 20), { timeoutMs: 10_000 });
  const ticks = runs.map((run) => run.tick.getTime());
  assert.equal(new Set(ticks).size, ticks.length);
  for (let index = 1; index < runs.length; index++) {
    assert.equal(ticks[index]! - ticks[index - 1]!, 50);
    assert.ok(runs[index]!.token > runs[index - 1]!.token);
  }
  assert.equal(runs[0]!.runId, `beat@${runs[0]!.tick.toISOString()}`);
});

test('skip uses ticks up while a run is in progress, and says so once', async (t) => {
  const { host } = await startCluster(t);
  const { crons } = await host('a');
  const gate = Promise.withResolvers<void>();
  const ticks: number[] = [];
  const job = crons.cron('beat', beat, (run) => {
    ticks.push(run.tick.getTime());
    return ticks.length === 1 ? gate.promise : undefined;
  });
  await eventually(async () => assert.ok((await crons.get('beat')).missed >= 5));
  const { running } = await crons.get('beat');
  assert.equal(running?.identity, 'a');
  assert.equal(running?.tick.getTime(), ticks[0]);
  assert.equal(ticks.length, 1);
  gate.resolve();
  await eventually(() => assert.ok(ticks.length >= 3));
  const outcomes = (await job.history()).map((record) => record.outcome);
  assert.equal(outcomes.filter((outcome) => outcome === 'skipped').length, 1);
  assert.ok(outcomes.includes('succeeded'));
});

test('queue runs each tick after the one before, on whichever host', async (t) => {
  const { host } = await startCluster(t);
  const ticks: number[] = [];
  let running = 0;
  for (const name of ['a', 'b']) {
    const { crons } = await host(name);
    crons.cron(
      'beat',
      { everyMs: 30 },
      async (run) => {
        assert.equal(++running, 1);
        ticks.push(run.tick.getTime());
        await new Promise((resolve) => setTimeout(resolve, 40));
        running--;
      },
      { overlap: 'queue', catchUp: 'all' },
    );
  }
  await eventually(() => assert.ok(ticks.length >= 15));
  for (let index = 1; index < ticks.length; index++) assert.equal(ticks[index]! - ticks[index - 1]!, 30);
});

test('replace ends the earlier run, whose signal says so, and records it as lost', async (t) => {
  const { host } = await startCluster(t);
  const [a, b] = [await host('a'), await host('b')];
  const ended: unknown[] = [];
  const handler = async (run: CronRun) => {
    await hang(run);
    ended.push((run.signal.reason as { code: string }).code);
    assert.throws(() => run.assert(), { code: 'LEASE_LOST' });
  };
  for (const { crons } of [a, b]) crons.cron('beat', { everyMs: 100 }, handler, { overlap: 'replace', ttlMs: 30_000 });
  await eventually(() => assert.ok(ended.length >= 3));
  assert.ok(ended.every((code) => code === 'LEASE_LOST'));
  const [newest] = await a.crons.history('beat', { limit: 1 });
  assert.equal(newest?.outcome, 'lost');
  assert.match(newest?.error ?? '', /replaced/);
});

test('the history tells result, error and host; too long a result is replaced by its size', async (t) => {
  const { host } = await startCluster(t);
  const { crons } = await host('a');
  const results = [() => ({ orders: 3 }), () => Promise.reject(new Error('no "database"')), () => 'x'.repeat(5000)];
  let count = 0;
  const job = crons.cron('beat', beat, () => results[count++]?.());
  await eventually(async () => assert.ok((await job.history()).length >= 3));
  const [first, second, third] = (await job.history()).reverse();
  assert.deepEqual([first!.outcome, first!.result, first!.identity], ['succeeded', { orders: 3 }, 'a']);
  assert.deepEqual([second!.outcome, second!.error], ['failed', 'no "database"']);
  assert.deepEqual(third!.result, { tooLong: true, bytes: 5002 });
  assert.ok(first!.durationMs >= 0 && first!.startedAt >= first!.tick && first!.token < second!.token);
  assert.equal((await job.history({ limit: 1 })).length, 1);
});

test('a run that takes too long is aborted and recorded as timed out', async (t) => {
  const { host } = await startCluster(t);
  const { crons } = await host('a');
  const job = crons.cron('beat', { everyMs: 86_400_000 }, hang, { maxRunMs: 100 });
  await job.ready;
  const runId = await job.trigger();
  const [record] = await eventually(
    async () => {
      const records = await job.history();
      assert.equal(records.length, 1);
      return records;
      // A handler that does not heed its signal is given five seconds.
    },
    { timeoutMs: 15_000 },
  );
  assert.deepEqual([record!.runId, record!.outcome, record!.trigger], [runId, 'timed-out', 'manual']);
});

test('a run whose host goes silent is lost, and the next tick runs elsewhere', async (t) => {
  const { server, host } = await startCluster(t);
  const a = await host('a');
  const runs: string[] = [];
  const handler = (name: string) => (run: CronRun) => {
    runs.push(name);
    return name === 'a' ? hang(run) : undefined;
  };
  a.crons.cron('beat', beat, handler('a'), { ttlMs: 600 });
  await eventually(() => assert.equal(runs.length, 1));
  a.coordination.redis.disconnect();
  const b = await host('b');
  b.crons.cron('beat', beat, handler('b'), { ttlMs: 600 });
  await eventually(() => assert.ok(runs.includes('b')));
  const lost = (await b.crons.history('beat')).filter(({ outcome }) => outcome === 'lost');
  assert.deepEqual(
    lost.map(({ identity }) => identity),
    ['a'],
  );
  assert.ok(server.pid > 0);
});

test('a claim whose answer comes late still runs its tick', async (t) => {
  const { server, host } = await startCluster(t);
  const { crons } = await host('a');
  const ticks: number[] = [];
  const job = crons.cron('beat', { everyMs: 100 }, (run) => void ticks.push(run.tick.getTime()), {
    ttlMs: 300,
    catchUp: 'all',
  });
  for (let round = 0; round < 3; round++) {
    const before = ticks.length;
    await eventually(() => assert.ok(ticks.length >= before + 2));
    server.pause();
    const resumeAtMs = performance.now() + 700;
    await eventually(() => performance.now() > resumeAtMs);
    server.resume();
  }
  const before = ticks.length;
  await eventually(() => assert.ok(ticks.length >= before + 10));
  for (let index = 1; index < ticks.length; index++) assert.equal(ticks[index]! - ticks[index - 1]!, 100);
  assert.ok((await job.history()).every(({ outcome }) => outcome === 'succeeded'));
});

test('pause and resume hold for all instances at once, and ticks of the pause are not made up for', async (t) => {
  const { host } = await startCluster(t);
  const [a, b] = [await host('a'), await host('b')];
  const ticks: number[] = [];
  const jobs = [a, b].map(({ crons }) =>
    crons.cron('beat', beat, (run) => void ticks.push(run.tick.getTime()), { catchUp: 'all' }),
  );
  await eventually(() => assert.ok(ticks.length >= 2));
  await jobs[0]!.pause();
  const { lastTickAt, paused, nextTickAt } = await b.crons.get('beat');
  assert.deepEqual([paused, nextTickAt], [true, undefined]);
  await eventually(() => assert.deepEqual([jobs[0]!.nextTick, jobs[1]!.nextTick], [undefined, undefined]));
  await eventually(async () => {
    const [seconds, micros] = await a.coordination.redis.time();
    return Number(seconds) * 1000 + Number(micros) / 1000 > lastTickAt.getTime() + 300;
  });
  const before = ticks.length;
  await b.crons.resume('beat');
  await eventually(() => assert.ok(ticks.length >= before + 2));
  assert.ok(ticks[before]! - lastTickAt.getTime() >= 300);
});

test('a run asked for by anyone runs once, on one of the instances, also while the job is paused', async (t) => {
  const { host } = await startCluster(t);
  const [a, b, outsider] = [await host('a'), await host('b'), await host('c')];
  const runs: string[] = [];
  for (const { crons } of [a, b]) {
    await crons.cron('nightly', '0 3 * * *', (run) => void runs.push(`${run.runId} ${run.trigger}`)).ready;
  }
  await outsider.crons.pause('nightly');
  const asked = [await outsider.crons.trigger('nightly'), await outsider.crons.trigger('nightly')];
  await eventually(async () => assert.equal((await outsider.crons.history('nightly')).length, 2));
  assert.deepEqual(
    runs,
    asked.map((runId) => `${runId} manual`),
  );
  await assert.rejects(outsider.crons.trigger('unknown'), { code: 'CRON_NOT_FOUND' });
});

test('the list shows how each job stands', async (t) => {
  const { host } = await startCluster(t);
  const [a, b] = [await host('a'), await host('b')];
  for (const { crons } of [a, b]) {
    const job = crons.cron('nightly', '30 2 * * *', () => {}, { timeZone: 'Europe/Berlin' });
    await job.ready;
    assert.ok(job.nextTick!.getTime() > Date.now());
  }
  const [view] = await b.crons.list();
  assert.deepEqual(
    [view!.name, view!.schedule, view!.timeZone, view!.paused, view!.running, view!.hosts],
    ['nightly', '30 2 * * *', 'Europe/Berlin', false, null, ['a', 'b']],
  );
  await assert.rejects(a.crons.remove('nightly'), { code: 'STATE_CONFLICT' });
  for (const { crons } of [a, b]) await crons.close();
  assert.deepEqual((await a.crons.list())[0]!.hosts, []);
  await a.crons.remove('nightly');
  assert.deepEqual(await a.crons.list(), []);
});

test('a host that was killed is not shown any more within seconds, and one that lives is shown while it says nothing', async (t) => {
  const { server, host } = await startCluster(t);
  const a = await host('a');
  const file = join(tempDirectory(t), 'ticks');
  const settings = {
    url: server.url,
    identity: 'b',
    everyMs: 60_000,
    skewMs: 0,
    ttlMs: 1000,
    runMs: 0,
    guard: 'claim',
    file,
  };
  const program = new URL('../../../faults/cron/cron-host.ts', import.meta.url);
  const b = startClient(program, 'b', settings);
  t.after(() => b.kill());
  await a.crons.cron('campaign', { everyMs: 60_000 }, () => {}).ready;
  await eventually(() => b.lines.includes('ready'), { timeoutMs: 15_000 });
  const hosts = async () => (await a.crons.list())[0]!.hosts;
  assert.deepEqual(await hosts(), ['a', 'b']);
  await b.kill();
  // `a` has said its last word before `b`, so this is told by its connection.
  await eventually(async () => (await hosts()).join() === 'a', { timeoutMs: 15_000 });
  // Behind REST there is a word and no connection.
  await a.coordination.redis.zadd(cronKeys('drover-services', 'campaign').hosts, Date.now() + 30_000, 'remote-c c');
  assert.deepEqual(await hosts(), ['a', 'c']);
});

test('close gives a run its grace, then aborts it, and nothing is claimed afterwards', async (t) => {
  const { host, redis } = await startCluster(t);
  const { crons } = await host('a');
  const aborted: unknown[] = [];
  const job = crons.cron('beat', beat, async (run) => {
    await hang(run);
    aborted.push((run.signal.reason as { details: { reason: string } }).details.reason);
  });
  await eventually(async () => assert.ok((await crons.get('beat')).running));
  await job.close({ graceMs: 50 });
  assert.deepEqual(aborted, ['closed']);
  const { lastTickAt, running } = await crons.get('beat');
  assert.equal(running, null);
  await eventually(async () => Number((await redis.time())[0]) * 1000 > lastTickAt.getTime() + 1000);
  assert.deepEqual((await crons.get('beat')).lastTickAt, lastTickAt);
});

test('a deploy with another schedule takes over from the older one without an error', async (t) => {
  const { host } = await startCluster(t);
  const [older, newer] = [await host('a'), await host('b')];
  const runs: string[] = [];
  const oldJob = older.crons.cron('beat', { everyMs: 40 }, () => void runs.push('old'));
  await eventually(() => assert.ok(runs.length >= 2));
  newer.crons.cron('beat', { everyMs: 70 }, (run) => {
    runs.push('new');
    assert.equal(run.tick.getTime() % 70, 0);
  });
  await eventually(() => assert.ok(runs.filter((name) => name === 'new').length >= 5));
  assert.ok(!runs.slice(runs.indexOf('new')).includes('old'));
  assert.equal(oldJob.nextTick, undefined);
  assert.throws(() => newer.crons.cron('beat', beat, () => {}), { code: 'CRON_CONFLICT' });
});

test('a step of a host clock by an hour, or a skew, changes no tick', async (t) => {
  const { host } = await startCluster(t);
  let shiftMs = 500;
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + shiftMs };
  const a = await host('a', { clock });
  const ticks: number[] = [];
  a.crons.cron('beat', beat, (run) => void ticks.push(run.tick.getTime()));
  for (const next of [3_600_000, -3_600_000]) {
    const before = ticks.length;
    await eventually(() => assert.ok(ticks.length >= before + 5));
    shiftMs = next;
  }
  await eventually(() => assert.ok(ticks.length >= 20));
  for (let index = 1; index < ticks.length; index++) assert.equal(ticks[index]! - ticks[index - 1]!, 50);
});

test('after Redis was away with its data kept, the latest tick is caught up with; with its data lost, none is run twice', async (t) => {
  const { server, host, redis } = await startCluster(t, { appendonly: true });
  const runs: CronRun[] = [];
  const { crons } = await host('a');
  crons.cron('beat', { everyMs: 400 }, (run) => void runs.push(run));
  await eventually(() => assert.ok(runs.length >= 1));
  await server.stop();
  const before = runs.length;
  const lastTick = runs.at(-1)!.tick.getTime();
  await eventually(() => performance.timeOrigin + performance.now() > lastTick + 1300);
  await server.restart();
  await eventually(() => assert.ok(runs.length >= before + 2), { timeoutMs: 10_000 });
  await redis.flushall();
  const atFlush = runs.length;
  await eventually(() => assert.ok(runs.length >= atFlush + 3), { timeoutMs: 10_000 });
  const ticks = runs.map((run) => run.tick.getTime());
  assert.equal(new Set(ticks).size, ticks.length);
});

test('with onStoreDown run, each instance runs the tick while Redis is away, with the same token', async (t) => {
  const { server, host } = await startCluster(t);
  const runs: [name: string, run: CronRun][] = [];
  for (const name of ['a', 'b']) {
    const { crons } = await host(name);
    const job = crons.cron('beat', { everyMs: 500 }, (run) => void runs.push([name, run]), { onStoreDown: 'run' });
    await job.ready;
  }
  await server.kill();
  await eventually(
    () => {
      const ids = new Map<string, Set<string>>();
      for (const [name, { runId }] of runs) ids.set(runId, (ids.get(runId) ?? new Set()).add(name));
      assert.ok([...ids.values()].filter((names) => names.size === 2).length >= 2);
    },
    { timeoutMs: 10_000 },
  );
  const tokens = new Map<string, number>();
  for (const [, { runId, token }] of runs) {
    assert.equal(tokens.get(runId) ?? token, token);
    tokens.set(runId, token);
  }
});

test('a timer of someone else that fires on all hosts runs its body on one', async (t) => {
  const { host } = await startCluster(t);
  const skewed = (ms: number) => ({ clock: { ...systemClock, nowMs: () => systemClock.nowMs() + ms } });
  const hosts = [await host('a', skewed(200)), await host('b', skewed(-200)), await host('c')];
  for (const { crons } of hosts) await crons.run('orders', { everyMs: 1000 }, () => 'declared');
  const next = (Math.floor(Date.now() / 1000) + 1) * 1000;
  const answers = await Promise.all(
    hosts.map(async ({ crons, coordination }) => {
      await eventually(() => coordination.clock.nowMs() >= next, { intervalMs: 2 });
      return crons.run('orders', { everyMs: 1000 }, (run) => run.runId);
    }),
  );
  const ran = answers.filter((answer) => answer.ran);
  assert.deepEqual(
    ran.map((answer) => answer.value),
    [`orders@${new Date(next).toISOString()}`],
  );
  assert.ok(answers.every((answer) => answer.ran || answer.reason === 'taken'));
  await assert.rejects(
    hosts[0]!.crons.run('orders', { everyMs: 2000 }, () => {}),
    { code: 'CRON_CONFLICT' },
  );
});

test('the error of a body is thrown to its caller as it is', async (t) => {
  const { host } = await startCluster(t);
  const { crons, coordination } = await host('a');
  const failure = new Error('out of stock');
  const body = () => {
    throw failure;
  };
  await eventually(async () => {
    try {
      await crons.run('orders', { everyMs: 200 }, body, { overlap: 'queue' });
      return false;
    } catch (error) {
      assert.equal(error, failure);
      return true;
    }
  });
  await coordination.close();
  const answer = await crons.run('orders', { everyMs: 200 }, body, { overlap: 'queue' });
  assert.deepEqual(answer, { ran: false, reason: 'closed' });
});

test('without Redis the records say STORE_UNREACHABLE, and a job is declared once it is back', async (t) => {
  const { server, host } = await startCluster(t);
  const { crons } = await host('a');
  await server.stop();
  await assert.rejects(crons.list(), { code: 'STORE_UNREACHABLE' });
  const runs: CronRun[] = [];
  crons.cron('beat', beat, (run) => void runs.push(run));
  await server.restart();
  await eventually(() => assert.ok(runs.length >= 2), { timeoutMs: 10_000 });
});
