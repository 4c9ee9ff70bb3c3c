import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JobRun, JobRunStatus } from '../../shared/contracts/job-run.ts';
import { serviceSpecSchema } from '../../shared/contracts/spec.ts';
import { type AgentProcess, isProcessAlive, startAgent, workersDirectory } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeCluster, startFakeCluster } from '../support/fake-cluster.ts';
import { sampleRun } from '../support/sample-job-run.ts';
import { createClocks } from '../support/shifted-clock.ts';
import { tempDirectory } from '../support/temp-directory.ts';

const patience = { timeoutMs: 15_000 };

/** Their own on this machine, because processes are looked for by them. */
const ids = Object.fromEntries(
  ['env', 'none', 'slow', 'kill', 'step', 'after', 'lost', 'stop'].map((name) => [name, `j-${name}-${process.pid}`]),
) as Record<'env' | 'none' | 'slow' | 'kill' | 'step' | 'after' | 'lost' | 'stop', string>;

async function open(t: TestContext): Promise<{ cluster: FakeCluster; agent: AgentProcess }> {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  return { cluster, agent };
}

function runOf(runId: string, script: string, change: Partial<JobRun> = {}): JobRun {
  const spec = serviceSpecSchema.parse({ name: 'shop', script, cwd: workersDirectory, killTimeoutMs: 300 });
  return sampleRun({ runId, spec, nodeId: 'node-1', tickAt: 1_700_000_000_000, fence: 7, ...change });
}

function statusOf({ reports }: FakeCluster, runId: string): JobRunStatus | undefined {
  return reports.at(-1)?.runs?.find((run) => run.runId === runId)?.status;
}

const ended = (cluster: FakeCluster, runId: string) =>
  eventually(() => {
    const status = statusOf(cluster, runId);
    return status?.state === 'ended' && status;
  }, patience);

const logOf = ({ data }: AgentProcess) => readFileSync(join(data, 'logs', 'shop', 'report.out.log'), 'utf8');

/** Of the processes with the run in their environment; its shim is none of them. */
function pidsOf(runId: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`DROVER_RUN=${runId}`);
      } catch {
        return false;
      }
    });
}

test('a process runs once, is told its run, logs under the name of its job, and leaves nothing behind', async (t) => {
  const { cluster, agent } = await open(t);
  const run = runOf(ids.env, 'tells-its-run.cjs');
  cluster.updatePlan({ runs: [run] });
  const { outcome, code, reason } = await ended(cluster, ids.env);
  assert.deepEqual([outcome, code, reason], ['succeeded', 0, ''], agent.log);
  assert.deepEqual(JSON.parse(logOf(agent)), {
    ...{ DROVER_JOB: 'shop/report', DROVER_RUN: ids.env, DROVER_TICK: '2023-11-14T22:13:20.000Z', DROVER_FENCE: '7' },
  });
  cluster.updatePlan({ runs: [] });
  await eventually(() => !readdirSync(join(agent.data, 'bundles')).includes(`run@${ids.env}`), patience);
  await eventually(() => statusOf(cluster, ids.env) === undefined, patience);
  cluster.updatePlan({ runs: [run] });
  assert.equal((await ended(cluster, ids.env)).outcome, 'succeeded');
  assert.equal(logOf(agent).trim().split('\n').length, 1, 'a run that a late controller wants again is not run again');
});

test('a script that is not there fails the run with what is missing', async (t) => {
  const { cluster } = await open(t);
  cluster.updatePlan({ runs: [runOf(ids.none, 'no-such-script.mjs')] });
  const { outcome, reason } = await ended(cluster, ids.none);
  assert.equal(outcome, 'failed');
  assert.match(reason, /no-such-script\.mjs/);
});

test('a run that takes too long is ended with its whole tree, also where it ignores the signal', async (t) => {
  const { cluster, agent } = await open(t);
  cluster.updatePlan({ runs: [runOf(ids.slow, 'leaves-stubborn-children.mjs', { maxRunMs: 4_000 })] });
  const pids = await eventually(() => {
    const found = /children (\d+) (\d+)/.exec(logOf(agent));
    return found === null ? false : found.slice(1).map(Number);
  }, patience);
  const { outcome, signal, reason } = await ended(cluster, ids.slow);
  assert.deepEqual([outcome, signal], ['timed-out', 'SIGKILL']);
  assert.match(reason, /longer than 4000 ms/);
  assert.deepEqual([pids.filter(isProcessAlive), pidsOf(ids.slow)], [[], []]);
});

test('with its agent killed the process goes on, and the next agent tells of its end', async (t) => {
  const { cluster, agent } = await open(t);
  cluster.updatePlan({ runs: [runOf(ids.kill, 'ignores-sigint.mjs')] });
  const [pid] = await eventually(() => {
    const found = pidsOf(ids.kill);
    return found.length === 1 && statusOf(cluster, ids.kill)?.state === 'running' && found;
  }, patience);
  await agent.kill('SIGKILL');
  assert.deepEqual(pidsOf(ids.kill), [pid]);
  const { hellos } = cluster;
  agent.start();
  await eventually(() => cluster.hellos > hellos, patience);
  process.kill(pid!, 'SIGKILL');
  const { outcome, signal } = await ended(cluster, ids.kill);
  assert.deepEqual([outcome, signal], ['failed', 'SIGKILL']);
  assert.deepEqual(pidsOf(ids.kill), []);
});

test('a run is not taken for older than it is by an agent whose wall clock has been put forward since', async (t) => {
  const clock = createClocks(tempDirectory(t))?.('agent');
  if (clock === undefined) return t.skip('no C compiler here');
  const { cluster, agent } = await open(t);
  cluster.updatePlan({ runs: [runOf(ids.step, 'ignores-sigint.mjs', { maxRunMs: 60_000 })] });
  await eventually(() => statusOf(cluster, ids.step)?.state === 'running', patience);
  await agent.kill('SIGKILL');
  const { hellos } = cluster;
  clock.moveBy(3_600);
  await clock.around(async () => agent.start());
  await eventually(() => cluster.hellos > hellos, patience);
  cluster.updatePlan({ runs: [...cluster.plan.runs, runOf(ids.after, 'tells-its-run.cjs')] });
  assert.equal((await ended(cluster, ids.after)).outcome, 'succeeded');
  assert.equal(statusOf(cluster, ids.step)?.state, 'running', agent.log);
});

test('with agent and shim killed the process is ended by identity, and the run is lost: it is not begun again', async (t) => {
  const { cluster, agent } = await open(t);
  cluster.updatePlan({ runs: [runOf(ids.lost, 'ignores-sigint.mjs')] });
  await eventually(() => pidsOf(ids.lost).length === 1 && logOf(agent).includes('up'), patience);
  await agent.kill('SIGKILL');
  const shim = JSON.parse(readFileSync(join(agent.data, 'bundles', `run@${ids.lost}`, 'shim.json'), 'utf8')) as {
    pid: number;
  };
  process.kill(shim.pid, 'SIGKILL');
  assert.equal(pidsOf(ids.lost).length, 1);
  agent.start();
  assert.equal((await ended(cluster, ids.lost)).outcome, 'lost');
  assert.deepEqual(pidsOf(ids.lost), []);
  assert.equal(logOf(agent).match(/^up$/gm)?.length, 1);
});

test('a run that is not wanted any more is stopped', async (t) => {
  const { cluster } = await open(t);
  const run = runOf(ids.stop, 'ignores-sigint.mjs');
  cluster.updatePlan({ runs: [run] });
  await eventually(() => pidsOf(ids.stop).length === 1, patience);
  cluster.updatePlan({ runs: [{ ...run, desired: 'stop' }] });
  assert.equal((await ended(cluster, ids.stop)).outcome, 'stopped');
  assert.deepEqual(pidsOf(ids.stop), []);
});
