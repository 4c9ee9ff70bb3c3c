import { setTimeout as sleep } from 'node:timers/promises';
import { workerPids } from '../cluster/host-processes.ts';
import type { LocalCluster } from '../cluster/local-cluster.ts';
import { runDrover } from '../cluster/run-drover.ts';
import { waitUntil } from '../cluster/wait-until.ts';
import { allPids, checkNoFailures, sameSet, service } from './judge.ts';
import type { Scene } from './scene.ts';

/** Redis is away for a while (stopped, as a long freeze), or killed and started again. */
export function redisLost(how: 'pause' | 'kill', forMs: number): Scene {
  return async (stage, check) => {
    const { cluster } = stage;
    const failedBefore = stage.load.failed();
    const before = await allPids(cluster);
    const writing = new AbortController();
    const written = how === 'kill' ? writeTokens(cluster, writing.signal) : Promise.resolve([]);
    if (how === 'kill') await sleep(500);
    const servicesBefore = JSON.stringify(
      (await cluster.client.listServices({})).map(({ name, target, scale }) => ({ name, target, scale })),
    );
    const pid = cluster.redis.pid as number;
    if (how === 'pause') process.kill(pid, 'SIGSTOP');
    else await cluster.redis.kill();
    await sleep(forMs);
    const during = await workerPids(cluster);
    check(
      'no worker stops while Redis is away',
      before.every((one) => during.includes(one)),
      `${before.length} workers, ${(forMs / 1_000).toFixed(0)} s`,
    );
    if (how === 'pause') process.kill(pid, 'SIGCONT');
    else await cluster.redis.start();
    const backMs = performance.now();
    await waitUntil('the cluster to act again', async () => {
      const { leader } = await cluster.client.getCluster({});
      const nodes = await cluster.client.listNodes({});
      return leader !== null && nodes.every(({ state }) => state === 'ready');
    });
    check('everything resumes by itself', true, `${((performance.now() - backMs) / 1_000).toFixed(1)} s`);
    await sleep(5_000);
    check(
      'no mass move afterwards: the same workers',
      sameSet(before, await allPids(cluster)),
      `${before.length} workers`,
    );
    const servicesAfter = JSON.stringify(
      (await cluster.client.listServices({})).map(({ name, target, scale }) => ({ name, target, scale })),
    );
    writing.abort();
    const acknowledged = await written;
    const known = new Set((await cluster.client.listJoinTokens({})).map(({ id }) => id));
    const lost = acknowledged.filter((id) => !known.has(id));
    check(
      'nothing acknowledged is lost',
      servicesBefore === servicesAfter && lost.length === 0,
      `${acknowledged.length} writes until the end, ${lost.length} lost; services as before`,
    );
    const scaled = await runDrover(['scale', service, '+1'], { env: cluster.env });
    const back = await runDrover(['scale', service, '-1'], { env: cluster.env });
    check('the cluster acts again', scaled.code === 0 && back.code === 0, 'scaled up and down');
    checkNoFailures(stage, failedBefore, check);
  };
}

/** Writes small things one after the other until told to stop; returns those that were acknowledged. */
async function writeTokens({ client }: LocalCluster, signal: AbortSignal): Promise<string[]> {
  const acknowledged: string[] = [];
  while (!signal.aborted) {
    const made = await client.createJoinToken({ body: {} }).catch(() => null);
    if (made === null) await sleep(50);
    else acknowledged.push(made.id);
  }
  return acknowledged;
}
