import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type LocalCluster, startLocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import { type MixedLoad, startMixedLoad } from '../../scripts/load/mixed-load.ts';
import { play, type Scene, type Stage } from '../../scripts/story/scene.ts';
import { askVersions, deploy } from '../../scripts/story/scenes.ts';
import { ownPort } from '../support/own-port.ts';

/** A local cluster of two controllers and three hosts for one test, ended with it; `before` runs first. */
export async function openCluster(
  t: TestContext,
  before: () => Promise<unknown> = async () => undefined,
): Promise<LocalCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-e2e-'));
  const cluster = await startLocalCluster({ directory, controllers: 2, agents: 3 });
  t.after(async () => {
    await before();
    await cluster.close();
    await rm(directory, { recursive: true, force: true });
  });
  return cluster;
}

/** The same with v1 of the example on it and the mixed load running. */
export async function openStage(t: TestContext): Promise<{ stage: Stage; port: number }> {
  let load: MixedLoad | undefined;
  const cluster = await openCluster(t, async () => load?.stop());
  const port = await ownPort();
  const url = `http://127.0.0.1:${port}`;
  const workshop = join(cluster.directory, 'workshop');
  const lines: string[] = [];
  const tell = (line: string) => void lines.push(line);
  const first = await deploy({ cluster, workshop, tell }, { version: 'v1', port });
  assert.equal(first.code, 0, `the first deploy failed:\n${first.stdout}\n${first.stderr}`);
  await waitUntil('v1 to answer', async () => (await askVersions(url, 1))[0] === 'v1');
  load = startMixedLoad({ url });
  return { stage: { cluster, load, workshop, url, tell }, port };
}

/** Plays a scene and asserts that each of its promises was kept. */
export async function assertKept(t: TestContext, stage: Stage, name: string, scene: Scene): Promise<void> {
  const result = await play(name, stage, scene);
  for (const { promise, measured, kept } of result.checks)
    t.diagnostic(`${kept ? 'kept' : 'BROKEN'}: ${promise} (${measured})`);
  const broken = result.checks.filter(({ kept }) => !kept);
  assert.deepEqual(broken, []);
  assert.ok(result.requests > 0, 'no request was made during the scene, so it proves nothing');
}
