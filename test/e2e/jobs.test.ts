import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type LocalCluster, startLocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { runDrover } from '../../scripts/cluster/run-drover.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import { cronKeys } from '../../shared/coordination/cron/cron-keys.ts';
import { requestRun } from '../../shared/coordination/cron/cron-scripts.ts';
import { defaultKeyPrefix } from '../../shared/coordination/lease/lease-keys.ts';
import { connectRedis, type RedisConnection } from '../../shared/redis/connect.ts';

interface LedgerLine {
  readonly what: 'request' | 'begin' | 'end';
  readonly job: string;
  readonly run: string;
  readonly tick: string;
  readonly fence: number;
  readonly pid: number;
  readonly at: number;
}

interface HistoryRecord {
  readonly outcome: string;
  readonly error?: string;
  readonly result?: unknown;
  readonly run: { readonly tick: string; readonly identity: string };
}

const note = `
const { appendFileSync } = require('node:fs');
module.exports = (line) => appendFileSync(process.env.LEDGER, JSON.stringify({ pid: process.pid, at: Date.now(), ...line }) + '\\n');
`;

const server = `
const note = require('./note.cjs');
require('node:http').createServer((request, response) => {
  const { 'drover-run': run, 'drover-tick': tick, 'drover-fence': fence } = request.headers;
  if (request.url === '/tick') note({ what: 'request', job: 'request', run, tick, fence: Number(fence.split('=').at(-1)) });
  response.end('noted');
}).listen(process.env.PORT, process.env.HOST);
`;

const work = `
const note = require('./note.cjs');
const { DROVER_JOB: job, DROVER_RUN: run, DROVER_TICK: tick, DROVER_FENCE: fence } = process.env;
note({ what: 'begin', job, run, tick, fence: Number(fence) });
console.log('works for ' + job);
setTimeout(() => note({ what: 'end', job, run, tick, fence: Number(fence) }), Number(process.argv[2]));
`;

const jobs = {
  request: { schedule: '* * * * * *', catch_up: '1m', run: { http: { path: '/tick', body: { hello: 1 } } } },
  process: { schedule: '*/2 * * * * *', catch_up: '1m', overlap: 'queue', run: { script: 'work.cjs', args: [50] } },
  long: { schedule: '0 0 1 1 *', run: { script: 'work.cjs', args: [600_000] } },
};

test('jobs of a service file run once a tick, whatever is killed, and end with the file', async (t) => {
  const stage = await openStage(t);
  const { cluster, ledger, history } = stage;
  await deploy(stage, jobs);

  await t.test('requests and processes run, each tick once', async () => {
    await waitUntil('three requests and two processes', async () => {
      const lines = await ledger();
      return (
        count(lines, 'request') >= 3 &&
        lines.filter(({ what, job }) => what === 'end' && job === 'shop/process').length >= 2
      );
    });
    await waitUntil('their ends to be recorded', async () => {
      const ended = [...(await history('shop/request')), ...(await history('shop/process'))];
      return ended.some(({ result }) => JSON.stringify(result)?.includes('"code":0')) && ended.length >= 4;
    });
    const [request] = await history('shop/request');
    assert.equal(request?.outcome, 'succeeded');
    assert.match(JSON.stringify(request?.result), /"status":200,"body":"noted"/);
  });

  await t.test('kill -9 of the leader: the other goes on, no tick is started twice and none is forgotten', async () => {
    const before = count(await ledger(), 'request');
    const { controllers } = await cluster.client.getCluster({});
    const leader = controllers.find(({ leader: leads }) => leads)!;
    const victim = cluster.controllers.find(({ url }) => url === leader.url)!;
    victim.process.signal('SIGKILL');
    await victim.process.exited;
    await waitUntil('five more requests', async () => count(await ledger(), 'request') >= before + 5);
    await waitUntil('a process of after the kill', async () => {
      const lines = await ledger();
      const since = lines.filter(({ what }) => what === 'request')[before + 3]!.tick;
      return lines.some(({ what, tick }) => what === 'end' && tick >= since);
    });
    await victim.start();
    await assertEachTickOnce(stage, 'request', 1_000);
    await assertEachTickOnce(stage, 'process', 2_000);
    t.diagnostic(
      `requests came ${lateness(await ledger(), 'request')}, processes began ${lateness(await ledger(), 'begin')}`,
    );
  });

  await t.test(
    'kill -9 of an agent: the process goes on, is not started again, and its end is told truthfully',
    async () => {
      await ask(stage, 'shop/long');
      const begun = await waitUntil('the long process', async () =>
        (await ledger()).find(({ job }) => job === 'shop/long'),
      );
      const host = await waitUntil('its host', async () => {
        for (const agent of cluster.agents) if (await knowsRun(agent.data, begun.run)) return agent;
        return undefined;
      });
      host.process.signal('SIGKILL');
      await host.process.exited;
      await host.start();
      await waitUntil('the agent to be back', async () => {
        const nodes = await cluster.client.listNodes({});
        return nodes.every(({ state }) => state === 'ready');
      });
      process.kill(begun.pid, 0);
      process.kill(begun.pid, 'SIGKILL');
      const [record] = await waitUntil('the end of the run', async () => {
        const records = await history('shop/long');
        return records.length > 0 ? records : undefined;
      });
      assert.equal(record?.outcome, 'failed');
      assert.match(record?.error ?? '', /SIGKILL/);
      assert.equal((await ledger()).filter(({ job }) => job === 'shop/long').length, 1);
    },
  );

  await t.test('its output is in the log file of the job, whatever its host', async () => {
    const logs = await Promise.all(
      cluster.agents.map(({ data }) => readFile(join(data, 'logs', 'shop', 'process.out.log'), 'utf8').catch(() => '')),
    );
    assert.match(logs.join(''), /works for shop\/process/);
  });

  await t.test('a job that is no longer in the file is not run any more', async () => {
    await deploy(stage, {});
    await waitUntil('its schedule to be gone', async () => (await stage.schedules()).length === 0);
    const goneAt = await redisNow(stage.redis);
    await waitUntil('four seconds by the clock of Redis', async () => (await redisNow(stage.redis)) > goneAt + 4_000);
    // What was claimed before it was gone, up to a moment before its tick, may begin later.
    const isLate = ({ what, tick }: LedgerLine) => what !== 'end' && new Date(tick).getTime() > goneAt + 100;
    const late = (await ledger()).filter(isLate);
    assert.deepEqual(late, []);
  });
});

interface JobStage {
  readonly cluster: LocalCluster;
  readonly redis: RedisConnection;
  readonly workshop: string;
  readonly ledgerFile: string;
  ledger(): Promise<LedgerLine[]>;
  history(name: string): Promise<HistoryRecord[]>;
  /** How many ticks were left out or given up. */
  missed(name: string): Promise<number>;
  schedules(): Promise<string[]>;
}

const prefix = `${defaultKeyPrefix}-services`;

async function openStage(t: TestContext): Promise<JobStage> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-e2e-'));
  const cluster = await startLocalCluster({ directory, controllers: 2, agents: 2, routers: [] });
  const redis = connectRedis(cluster.redis.url, 'coord');
  await redis.ready();
  t.after(async () => {
    await redis.close();
    await cluster.close();
    await rm(directory, { recursive: true, force: true });
  });
  const ledgerFile = join(directory, 'ledger.jsonl');
  await writeFile(ledgerFile, '');
  return {
    cluster,
    redis,
    workshop: join(directory, 'workshop'),
    ledgerFile,
    async ledger() {
      const text = await readFile(ledgerFile, 'utf8');
      return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as LedgerLine]));
    },
    async history(name) {
      const records = await redis.client.lrange(cronKeys(prefix, name).history, 0, -1);
      return records.map((record) => JSON.parse(record) as HistoryRecord);
    },
    async missed(name) {
      return Number(await redis.client.hget(cronKeys(prefix, name).job, 'missed'));
    },
    schedules: () => redis.client.zrange(`{${defaultKeyPrefix}}:bull:jobs:repeat`, '0', '-1'),
  };
}

async function deploy({ cluster, workshop, ledgerFile }: JobStage, wanted: object): Promise<void> {
  await mkdir(workshop, { recursive: true });
  await writeFile(join(workshop, 'note.cjs'), note);
  await writeFile(join(workshop, 'server.cjs'), server);
  await writeFile(join(workshop, 'work.cjs'), work);
  const app = {
    name: 'shop',
    script: 'server.cjs',
    instances: 2,
    expect_listen: true,
    env: { LEDGER: ledgerFile },
    update: { min_healthy: 0, monitor: 0 },
    jobs: wanted,
  };
  const file = join(workshop, 'ecosystem.config.json');
  await writeFile(file, JSON.stringify({ apps: [app] }));
  const { code, stdout, stderr } = await runDrover(['deploy', file, '--yes'], { env: cluster.env });
  assert.equal(code, 0, `${stdout}\n${stderr}`);
}

/** Of all ticks from the first on: none was started twice, and each that was not started is told of. */
async function assertEachTickOnce({ ledger, history, missed }: JobStage, job: string, everyMs: number): Promise<void> {
  const startedTicks = async () =>
    (await ledger())
      .filter((line) => line.what !== 'end' && line.job.endsWith(job))
      .map(({ tick }) => new Date(tick).getTime());
  const last = Math.max(...(await startedTicks()));
  // A run of the controller that was killed is told of when it is not believed in any more; others may be on their way.
  await waitUntil('all ticks to be started or told of', async () => {
    const [started, records] = [await startedTicks(), await history(`shop/${job}`)];
    const known = new Set([...started, ...records.map(({ run }) => Number(run.tick))]);
    const untold: number[] = [];
    for (let tick = Math.min(...started); tick <= last; tick += everyMs) if (!known.has(tick)) untold.push(tick);
    // One record stands for all that one run makes skip; each of them is counted.
    const skipped = records.filter(({ outcome }) => outcome === 'skipped').length;
    if (untold.length <= (await missed(`shop/${job}`)) - skipped) return true;
    throw new Error(`nobody started, or tells of ${untold.map((tick) => new Date(tick).toISOString()).join(', ')}`);
  });
  const started = await startedTicks();
  assert.equal(new Set(started).size, started.length, 'a tick was started twice');
}

async function ask({ redis }: JobStage, name: string): Promise<void> {
  const keys = cronKeys(prefix, name);
  const [outcome] = await requestRun.run(redis.client, [keys.job, keys.requests], [keys.wakeChannel, name, 10]);
  assert.equal(outcome, 'asked');
}

async function knowsRun(data: string, runId: string): Promise<boolean> {
  return readFile(join(data, 'runs', `${runId}.json`)).then(
    () => true,
    () => false,
  );
}

/** For people only: how long after its tick, in the middle and at the most. */
function lateness(lines: readonly LedgerLine[], what: LedgerLine['what']): string {
  const lateMs = lines
    .filter((line) => line.what === what)
    .map(({ at, tick }) => at - new Date(tick).getTime())
    .sort((a, b) => a - b);
  return `${lateMs[Math.floor(lateMs.length / 2)]} ms (at most ${lateMs.at(-1)} ms) after their tick`;
}

function count(lines: readonly LedgerLine[], what: LedgerLine['what']): number {
  return lines.filter((line) => line.what === what).length;
}

async function redisNow({ client }: RedisConnection): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1_000 + Number(micros) / 1_000;
}
