import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claimDirectory } from './cluster/claim-directory.ts';
import { type LocalCluster, startLocalCluster } from './cluster/local-cluster.ts';
import { runDrover } from './cluster/run-drover.ts';
import { readArguments } from './read-arguments.ts';
import { startPlatform } from './verify/start-platform.ts';

/**
 * `npm start`: a cluster on this machine with the example platform deployed on it, until Ctrl-C, which stops everything that was
 * started here and nothing else. State is kept in .drover/local, so that a second start finds the same cluster.
 */
readArguments('usage: npm start: runs a cluster and the example platform, until Ctrl-C\n');

const tell = (line: string) => void process.stdout.write(`${line}\n`);
const root = fileURLToPath(new URL('..', import.meta.url));
const directory = join(root, '.drover', 'local');
/** Of api-gateway; the other services follow. */
const firstPort = 30_000;
const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.abort());

try {
  const release = await claimDirectory(directory);
  try {
    await run();
  } finally {
    await release();
  }
} catch (error) {
  if (!stopped.signal.aborted) {
    process.stderr.write(`\nnpm start cannot go on: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
if (stopped.signal.aborted) tell('Stopped.');

async function run(): Promise<void> {
  tell('Starting Drover on this machine: Redis, two controllers, three hosts, a router. Ctrl-C stops it.\n');
  const cluster = await startLocalCluster({
    directory,
    controllers: 2,
    agents: 3,
    routers: ['127.0.0.1:8080'],
    firstControllerPort: 7700,
    firstNodePort: 21_000,
    signal: stopped.signal,
    ...(process.env.DROVER_REDIS_URL === undefined ? {} : { redisUrl: process.env.DROVER_REDIS_URL }),
    onProgress: (line) => tell(`  ${line}`),
  });
  let close = cluster.close;
  try {
    tell('\nDeploying the six services of examples/cloudphone …');
    const platform = await startPlatform({ cluster, firstPort, env: { DEVICE_DIR: join(tmpdir(), 'drover-start') } });
    close = platform.close;
    if (!stopped.signal.aborted) await showAndWait(cluster);
    tell('\nStopping everything that was started here …');
  } finally {
    await close();
  }
}

async function showAndWait({ env, urls }: LocalCluster): Promise<void> {
  const table = await runDrover(['ls', '--instances'], { env });
  tell(`\n${table.stdout}`);
  tell(summary(urls, env));
  if (!stopped.signal.aborted) await once(stopped.signal, 'abort');
}

function summary(urls: readonly string[], env: Record<string, string>): string {
  const exports = Object.entries(env).map(([name, value]) => `  export ${name}=${value}`);
  return `The platform's page:                     http://127.0.0.1:${firstPort}/
Controllers (REST, bearer token):        ${urls.join('  ')}

In another terminal, say where the cluster is, then try:
${exports.join('\n')}
  node cli/bin.js ls                             what runs where
  node cli/bin.js logs device-service -f         log lines of all hosts
  node cli/bin.js scale billing-service 4        more instances
  node cli/bin.js reload notification-service    replace all; the page misses nothing
  node cli/bin.js port ls                        ports that devices have
  node cli/bin.js node drain host-2              empty a host
  node cli/bin.js events -f                      who did what, and why
  npm run verify -- --against http://127.0.0.1:${firstPort}

Ctrl-C stops everything.`;
}
