import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { type CommandResult, runDrover } from '../../scripts/cluster/run-drover.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import type { Stage } from '../../scripts/story/scene.ts';
import { askVersions } from '../../scripts/story/scenes.ts';
import { isEnded } from '../../shared/state/deployment-states.ts';
import { isTerminal } from '../../shared/state/instance-states.ts';

/** Runs a command that must succeed. */
export async function drover({ cluster }: Stage, ...words: string[]): Promise<CommandResult> {
  const result = await runDrover(words, { env: cluster.env });
  assert.equal(result.code, 0, `drover ${words.join(' ')}:\n${result.stdout}\n${result.stderr}`);
  return result;
}

/** Acts, and asserts that clients were served all the time and no request of theirs failed. */
export async function assertUnnoticed({ load }: Stage, act: () => Promise<unknown>): Promise<void> {
  const before = { failed: load.failed(), requests: load.requests() };
  await act();
  // Without a request it proves nothing.
  await waitUntil('a client to have asked', async () => load.requests() > before.requests);
  const failures = Object.entries(load.figures()).flatMap(([kind, { failures }]) =>
    failures.map((failure) => `${kind}: ${failure}`),
  );
  assert.equal(load.failed() - before.failed, 0, failures.slice(-10).join('\n'));
}

/** Waits until the service rests: `count` healthy instances, each one process, and nothing else of it alive. */
export async function untilSettled(stage: Stage, count: number): Promise<void> {
  await waitUntil(
    `${count} healthy instances and nothing else`,
    async () => {
      const { deployment, instances } = await getService(stage);
      if (deployment !== null && !isEnded(deployment.state)) return false;
      const live = instances.filter(({ status }) => !isTerminal(status.state));
      const rests = live.every(({ desired, status }) => desired === 'run' && status.health === 'healthy');
      const running = await runningInstances(stage);
      return (
        rests && live.length === count && live.every(({ id, status }) => running.get(id)?.join() === `${status.pid}`)
      );
    },
    { timeoutMs: 40_000 },
  );
}

/** The deploy that is under way has a new instance that runs. */
export async function untilHalfWay(stage: Stage): Promise<void> {
  await waitUntil('the deploy to be half-way', async () => {
    const { deployment, target, instances } = await getService(stage);
    return (
      deployment?.state === 'rolling' &&
      instances.some(({ revision, status }) => revision === target.revision && status.health === 'healthy')
    );
  });
}

export async function assertOnlyAnswers({ url }: Stage, version: string): Promise<void> {
  assert.deepEqual(new Set(await askVersions(url, 30)), new Set([version]));
}

export function getService({ cluster }: Stage) {
  return cluster.client.getService({ params: { name: 'hello' } });
}

/** The processes of each instance on this machine, from the kernel: more than one of the same would be a duplicate. */
export async function runningInstances({ cluster }: Stage): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const [environment, command] = await Promise.all([
      readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    ]);
    const id = /(?:^|\0)DROVER_INSTANCE_ID=([^\0]*)/.exec(environment)?.[1];
    if (id === undefined || !command.includes(`${cluster.directory}/`)) continue;
    found.set(id, [...(found.get(id) ?? []), Number(pid)]);
  }
  return found;
}
