import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ProcessIdentity } from '../../agent/process/process-identity.ts';
import { signalProcess } from '../../agent/process/signal-process.ts';
import { readAdoption } from '../../scripts/cluster/host-processes.ts';
import type { LocalAgent } from '../../scripts/cluster/local-cluster.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import { askVersions } from '../../scripts/story/scenes.ts';
import { deployExample } from './deploy-example.ts';
import { openStage } from './open-stage.ts';
import {
  assertOnlyAnswers,
  assertUnnoticed,
  drover,
  getService,
  runningInstances,
  untilHalfWay,
  untilSettled,
} from './under-load.ts';

test('changes are interrupted by other changes, by agents, controllers, shims and routers that die', async (t) => {
  const { stage, port } = await openStage(t);
  const { cluster } = stage;

  await t.test('a second deploy takes over half-way, and a rollback by hand takes over from that', () =>
    assertUnnoticed(stage, async () => {
      const first = deployExample(stage, { version: 'v2', port });
      await untilHalfWay(stage);
      const second = deployExample(stage, { version: 'v3', port });
      assert.equal((await first).code, 6);
      await untilHalfWay(stage);
      await drover(stage, 'rollback', 'hello');
      assert.equal((await second).code, 6);
      await untilSettled(stage, 6);
      await assertOnlyAnswers(stage, 'v1');
    }),
  );

  await t.test('all agents are killed in the middle of a deploy, which completes when they are back', () =>
    assertUnnoticed(stage, async () => {
      const deploying = deployExample(stage, { version: 'v4', port });
      await untilHalfWay(stage);
      for (const agent of cluster.agents) agent.process.signal('SIGKILL');
      for (const agent of cluster.agents) {
        await agent.process.exited;
        await agent.start();
      }
      const { code, stderr } = await deploying;
      assert.equal(code, 0, stderr);
      await assertOnlyAnswers(stage, 'v4');
    }),
  );

  await t.test('an agent that ends for an upgrade leaves every worker as it is', () =>
    assertUnnoticed(stage, async () => {
      const before = await runningInstances(stage);
      const agent = cluster.agents[0] as LocalAgent;
      agent.process.signal('SIGTERM');
      assert.equal((await agent.process.exited).code, 0);
      const startedAt = Date.now();
      await agent.start();
      await waitUntil('the agent to run again', async () => ((await readAdoption(agent))?.at ?? 0) >= startedAt);
      await untilSettled(stage, 6);
      assert.deepEqual(await runningInstances(stage), before);
    }),
  );

  await t.test('both controllers are killed and started again: no worker is touched', () =>
    assertUnnoticed(stage, async () => {
      const before = await runningInstances(stage);
      for (const controller of cluster.controllers) controller.process.signal('SIGKILL');
      for (const controller of cluster.controllers) {
        await controller.process.exited;
        await controller.start();
      }
      for (const { name } of cluster.agents) await untilReady(name);
      await untilSettled(stage, 6);
      assert.deepEqual(await runningInstances(stage), before);
    }),
  );

  await t.test(
    'a router that is killed is brought back by its agent, and so is one that died with its agent',
    async () => {
      for (const withAgent of [false, true]) {
        const agent = cluster.agents[0] as LocalAgent;
        const { pid } = JSON.parse(await readFile(join(agent.data, 'router/router.json'), 'utf8')) as { pid: number };
        process.kill(pid, 'SIGKILL');
        if (withAgent) {
          agent.process.signal('SIGKILL');
          await agent.process.exited;
          await agent.start();
        }
        await waitUntil('the router to answer again', async () => (await askVersions(stage.url, 1))[0] === 'v4');
        await assertOnlyAnswers(stage, 'v4');
      }
      await untilReady('host-1');
    },
  );

  await t.test('a shim that is killed takes its workers with it once; they come back, none of them twice', async () => {
    const [, agent] = cluster.agents as [LocalAgent, LocalAgent];
    const before = (await getService(stage)).instances.filter(({ status }) => status.state === 'running');
    let duplicates = 0;
    const recovered = new AbortController();
    const watching = (async () => {
      while (!recovered.signal.aborted) {
        for (const pids of (await runningInstances(stage)).values()) if (pids.length > 1) duplicates += 1;
      }
    })();
    try {
      const shims = await shimsOf(agent);
      assert.ok(shims.length > 0, 'no shim runs on host-2');
      for (const shim of shims) signalProcess(shim, 'SIGKILL');
      await waitUntil('its instances to be restarted', async () => {
        const { instances } = await getService(stage);
        return instances.some(({ id, status }) => {
          const old = before.find((instance) => instance.id === id);
          return old !== undefined && status.restarts > old.status.restarts && status.health === 'healthy';
        });
      });
      await untilSettled(stage, 6);
    } finally {
      recovered.abort();
      await watching;
    }
    assert.equal(duplicates, 0);
    await assertUnnoticed(stage, () => assertOnlyAnswers(stage, 'v4'));
  });

  await t.test('a worker that is killed is restarted in its slot', async () => {
    const { instances } = await getService(stage);
    const victim = instances.find(({ status }) => status.state === 'running')!;
    process.kill(victim.status.pid!, 'SIGKILL');
    const restarted = await waitUntil('the worker to be back', async () =>
      (await getService(stage)).instances.find(
        ({ id, status }) =>
          id === victim.id && status.restarts === victim.status.restarts + 1 && status.health === 'healthy',
      ),
    );
    assert.notEqual(restarted.status.pid, victim.status.pid);
    await untilSettled(stage, 6);
  });

  async function untilReady(name: string): Promise<void> {
    await waitUntil(`${name} to be ready`, async () => {
      const nodes = await cluster.client.listNodes({});
      return nodes.some((node) => node.name === name && node.state === 'ready');
    });
  }
});

async function shimsOf(agent: LocalAgent): Promise<ProcessIdentity[]> {
  const bundles = join(agent.data, 'bundles');
  // That of an earlier revision may be on its way out.
  const texts = await Promise.all(
    (await readdir(bundles)).map((bundle) => readFile(join(bundles, bundle, 'shim.json'), 'utf8').catch(() => null)),
  );
  return texts.filter((text) => text !== null).map((text) => JSON.parse(text) as ProcessIdentity);
}
