import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalCluster, startLocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { runDrover } from '../../scripts/cluster/run-drover.ts';

/** Runs `act` on a local cluster of its own and stops the cluster afterwards, however `act` ends. */
export async function withBenchCluster<T>(
  { controllers, agents }: { readonly controllers: number; readonly agents: number },
  act: (cluster: LocalCluster) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  try {
    const cluster = await startLocalCluster({
      directory,
      controllers,
      agents,
      onProgress: (line) => void process.stderr.write(`  ${line}\n`),
    });
    try {
      return await act(cluster);
    } finally {
      await cluster.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Starts controllers and agents a second time: the first start on a machine compiles, and is not how they go on to run. */
export async function restartAll({ controllers, agents }: LocalCluster): Promise<void> {
  for (const one of [...controllers, ...agents]) {
    await one.process.stop();
    await one.start();
  }
}

/** Runs a `drover` command that must succeed; answers how long it took, in milliseconds. */
export async function mustRun(cluster: LocalCluster, args: readonly string[]): Promise<number> {
  const { code, elapsedMs, stdout, stderr } = await runDrover(args, { env: cluster.env });
  if (code === 0) return elapsedMs;
  throw new Error(`drover ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`);
}
