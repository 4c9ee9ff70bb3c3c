import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { identify, killProcessesOf, processesOf, readAdoption } from '../cluster/host-processes.ts';
import type { LocalAgent, LocalCluster } from '../cluster/local-cluster.ts';
import { runDrover } from '../cluster/run-drover.ts';
import { waitUntil } from '../cluster/wait-until.ts';
import { type Defect, type ExampleVersion, writeExample } from './example-version.ts';
import { checkNoFailures, describeFailures, pidsOn, sameSet, service } from './judge.ts';
import type { Scene, Stage } from './scene.ts';

/** Deploys a version with the command that users type; returns how it ended. */
export async function deploy(
  { cluster, workshop, tell }: Pick<Stage, 'cluster' | 'workshop' | 'tell'>,
  version: ExampleVersion,
) {
  const file = await writeExample(workshop, version);
  return runDrover(['deploy', file, '--yes'], { env: cluster.env, onLine: (line) => tell(`  ${line}`) });
}

/** `count` rolling deploys in a row; after each only the new version answers. */
export function rollingDeploys(versions: readonly string[], port: number): Scene {
  return async (stage, check) => {
    const failedBefore = stage.load.failed();
    const seconds: number[] = [];
    let kept = true;
    for (const version of versions) {
      const result = await deploy(stage, { version, port });
      seconds.push(result.elapsedMs / 1_000);
      const answers = await askVersions(stage.url, 30);
      const stale = answers.filter((answer) => answer !== version);
      kept &&= result.code === 0 && stale.length === 0;
      if (result.code !== 0)
        check(`${version} deploys with exit code 0`, false, `exit code ${result.code}: ${result.stderr.slice(-400)}`);
      if (stale.length > 0)
        check(`only ${version} answers afterwards`, false, `also ${[...new Set(stale)].join(', ')}`);
    }
    const slowest = Math.max(...seconds).toFixed(1);
    check(
      `${versions.length} rolling ${versions.length === 1 ? 'deploy' : 'deploys'}; afterwards only the new version answers`,
      kept,
      `${(seconds.reduce((a, b) => a + b, 0) / seconds.length).toFixed(1)} s each, at most ${slowest} s`,
    );
    checkNoFailures(stage, failedBefore, check);
  };
}

/** A version that fails in one of three ways: nobody notices, and the old one is back by itself. */
export function brokenDeploy(version: string, defect: Defect, port: number, expected: string): Scene {
  return async (stage, check) => {
    const failedBefore = stage.load.failed();
    const result = await deploy(stage, { version, defect, port, listenTimeoutMs: 3_000 });
    const output = `${result.stdout}${result.stderr}`;
    check('ends with exit code 4', result.code === 4, `exit code ${result.code}`);
    const reason = {
      'crashes at start': /exited with code 1/,
      'never gets ready': /did not listen .* within 3000 ms/,
      'turns unhealthy': /503/,
      none: /$/,
    }[defect];
    check(
      'says which instance, why, and its last log lines',
      reason.test(output) && (defect === 'turns unhealthy' || output.includes(lastLineOf(defect))),
      firstMatch(output, reason),
    );
    const answers = await askVersions(stage.url, 30);
    check(
      `back on ${expected} by itself`,
      answers.every((answer) => answer === expected),
      [...new Set(answers)].join(', '),
    );
    checkNoFailures(stage, failedBefore, check);
  };
}

/** kill -9 of an agent: its workers go on, and it finds them again. */
export function agentKilled(index: number): Scene {
  return async (stage, check) => {
    const { cluster } = stage;
    const failedBefore = stage.load.failed();
    const agent = cluster.agents[index] as LocalAgent;
    const before = await pidsOn(cluster, agent);
    const identities = identify(before);
    agent.process.signal('SIGKILL');
    await agent.process.exited;
    await sleep(2_000);
    const startedAt = Date.now();
    await agent.start();
    const adoption = await waitUntil('the agent to run again', async () => {
      const newest = await readAdoption(agent);
      return newest !== null && newest.at >= startedAt && newest;
    });
    const adopted = adoption.workers === before.length;
    check(
      'adopts its workers within 3 s of its restart',
      adopted && adoption.at - startedAt <= 3_000,
      `${((adoption.at - startedAt) / 1_000).toFixed(1)} s, ${adoption.workers} of ${before.length} workers`,
    );
    await waitUntil('the node to be ready', async () =>
      (await cluster.client.listNodes({})).some(({ name, state }) => name === agent.name && state === 'ready'),
    );
    await sleep(2_000);
    const same = sameSet(before, await pidsOn(cluster, agent)) && isDeepStrictEqual(identities, identify(before));
    check('the same worker processes before and after', same, `pids ${before.join(', ')}`);
    checkNoFailures(stage, failedBefore, check);
  };
}

/** The leader dies, or freezes, in the middle of a deploy: another acts, the deploy completes. */
export function leaderLost(version: string, port: number, how: 'SIGKILL' | 'SIGSTOP'): Scene {
  return async (stage, check) => {
    const { cluster } = stage;
    const failedBefore = stage.load.failed();
    const before = await leaderOf(cluster);
    const controller = cluster.controllers.find(({ url }) => url === before.url);
    if (controller === undefined) throw new Error(`No local controller listens on ${before.url}`);
    const deploying = deploy(stage, { version, port });
    await waitUntil('the deploy to be under way', async () => {
      const view = await cluster.client.getService({ params: { name: service } });
      return (
        view.deployment?.state === 'rolling' && view.instances.some(({ revision }) => revision === view.target.revision)
      );
    });
    controller.process.signal(how);
    const lostAt = Date.now();
    const after = await waitUntil('another leader', async () => {
      const leader = await leaderOf(cluster);
      return leader.term > before.term && leader;
    });
    const tookMs = electedAt(await collectEvents(cluster), after.term) - lostAt;
    check('another leads within 5 s', tookMs <= 5_000, `${(tookMs / 1_000).toFixed(1)} s`);
    const result = await deploying;
    check(
      'the deploy completes',
      result.code === 0,
      `exit code ${result.code}${result.code === 0 ? '' : `: ${result.stderr.slice(-300)}`}`,
    );
    if (how === 'SIGKILL') await controller.start();
    else {
      controller.process.signal('SIGCONT');
      await sleep(2_000);
    }
    const events = await collectEvents(cluster);
    const stale = effectsOf(before.controllerId, events, after.term);
    const fresh = effectsOf(after.controllerId, events, after.term);
    check(
      'nothing of the earlier term is accepted afterwards',
      stale === 0 && fresh > 0,
      `${stale} effects of the old leader, ${fresh} of the new one`,
    );
    const answers = await askVersions(stage.url, 30);
    check(
      `only ${version} answers`,
      answers.every((answer) => answer === version),
      [...new Set(answers)].join(', '),
    );
    checkNoFailures(stage, failedBefore, check);
  };
}

/** All processes of a host die at once; while it is away a new version is deployed; then it comes back. */
export function hostKilled(index: number, version: string, port: number): Scene {
  return async (stage, check) => {
    const { cluster } = stage;
    const agent = cluster.agents[index] as LocalAgent;
    const view = await cluster.client.getService({ params: { name: service } });
    const wanted = view.instances.filter(({ status }) => status.state === 'running').length;
    const gone = (await cluster.client.listNodes({})).find(({ name }) => name === agent.name)?.id;
    const killedMs = performance.now();
    await killProcessesOf(agent);
    await sleep(1_000);
    const failedAtOnce = stage.load.failed();
    await waitUntil(
      'its slots to be healthy elsewhere',
      async () => {
        const { instances } = await cluster.client.getService({ params: { name: service } });
        return (
          instances.filter(
            ({ status, nodeId, desired }) => status.health === 'healthy' && desired === 'run' && nodeId !== gone,
          ).length >= wanted
        );
      },
      { timeoutMs: 30_000 },
    );
    const tookMs = performance.now() - killedMs;
    check('its slots are healthy elsewhere within 15 s', tookMs <= 15_000, `${(tookMs / 1_000).toFixed(1)} s`);
    const later = stage.load.failed() - failedAtOnce;
    check(
      'routes leave it at once: no request fails after the first second',
      later === 0,
      `${later} failed${describeFailures(stage)}`,
    );
    const deployed = await deploy(stage, { version, port });
    check('a new version is deployed while it is away', deployed.code === 0, `exit code ${deployed.code}`);
    await agent.start();
    const answers = await waitUntil('the host to be back', async () => {
      const seen = await askVersions(stage.url, 10);
      const nodes = await cluster.client.listNodes({});
      return (
        (nodes.some(({ name, state }) => name === agent.name && state === 'ready') ||
          seen.some((one) => one !== version)) &&
        seen
      );
    });
    await sleep(2_000);
    answers.push(...(await askVersions(stage.url, 30)));
    const left = await processesOf(agent);
    const workers = (await cluster.client.listInstances({ query: { node: agent.name } })).filter(
      ({ status }) => status.state === 'running',
    );
    check(
      'when it comes back it serves and starts nothing of the old version',
      answers.every((answer) => answer === version) && workers.length === 0,
      `${[...new Set(answers)].join(', ')} answers; ${left.length} processes on the host, ${workers.length} workers`,
    );
  };
}

function lastLineOf(defect: Defect): string {
  return {
    'crashes at start': 'DATABASE_URL is not set',
    'never gets ready': 'waiting for a database',
    'turns unhealthy': 'connection is lost',
    none: '',
  }[defect];
}

function firstMatch(text: string, pattern: RegExp): string {
  return (
    text
      .split('\n')
      .find((line) => pattern.test(line))
      ?.trim()
      .slice(0, 160) ?? `the output does not say so: …${text.slice(-500)}`
  );
}

/** The version that each of `count` requests on new connections was answered by. */
export async function askVersions(url: string, count: number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const text = await new Promise<string>((resolve, reject) => {
        const outgoing = request(url, { agent: false, timeout: 10_000 }, async (response) => {
          let body = '';
          for await (const part of response) body += part;
          resolve(body);
        });
        outgoing.once('error', reject);
        outgoing.end();
      });
      return String((JSON.parse(text) as { version: string }).version);
    }),
  );
}

async function leaderOf({ client }: LocalCluster): Promise<{ controllerId: string; url: string; term: number }> {
  const { leader } = await client.getCluster({});
  if (leader === null) throw new Error('There is no leader');
  return leader;
}

async function collectEvents({ client }: LocalCluster) {
  const events = [];
  for await (const event of client.getEvents({ query: { follow: 'false', limit: 5_000 } })) events.push(event);
  return events;
}

/** What a controller has changed as leader since `term` began; its own announcements are no effects. */
function effectsOf(controllerId: string, events: Awaited<ReturnType<typeof collectEvents>>, term: number): number {
  const began = events.findIndex(({ type, data }) => type === 'leader.elected' && data.term === term);
  const since = began === -1 ? [] : events.slice(began);
  return since.filter(({ type, actor }) => actor === `leader:${controllerId}` && !/^(leader|store)\./.test(type))
    .length;
}

function electedAt(events: Awaited<ReturnType<typeof collectEvents>>, term: number): number {
  return (
    events.find(({ type, data }) => type === 'leader.elected' && data.term === term)?.at ?? Number.POSITIVE_INFINITY
  );
}
