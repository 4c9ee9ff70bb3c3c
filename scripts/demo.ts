import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './cluster/free-port.ts';
import { startLocalCluster } from './cluster/local-cluster.ts';
import { waitUntil } from './cluster/wait-until.ts';
import { startMixedLoad } from './load/mixed-load.ts';
import { renderReport } from './story/report.ts';
import { play, type Scene, type SceneResult, type Stage } from './story/scene.ts';
import {
  agentKilled,
  askVersions,
  brokenDeploy,
  deploy,
  hostKilled,
  leaderLost,
  redisLost,
  rollingDeploys,
} from './story/scenes.ts';

/**
 * `npm run demo`: a cluster of three hosts, load all the time, and everything that usually goes wrong. Ends by itself;
 * exit code 1 if any promise was broken.
 */
const tell = (line: string) => void process.stdout.write(`${line}\n`);
const directory = await mkdtemp(join(tmpdir(), 'drover-demo-'));
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());

tell(
  'Drover demo: two controllers, three hosts, one router, one service of six instances. It takes about two minutes.\n',
);
const cluster = await startLocalCluster({
  directory,
  controllers: 2,
  agents: 3,
  onProgress: (line) => tell(`  ${line}`),
});
const results: SceneResult[] = [];
try {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const workshop = join(directory, 'workshop');
  tell('\n▶ Deploy v1 from its ecosystem file');
  const first = await deploy({ cluster, workshop, tell }, { version: 'v1', port });
  if (first.code !== 0) throw new Error(`The first deploy failed: ${first.stderr}`);
  await waitUntil('v1 to answer', async () => (await askVersions(url, 1))[0] === 'v1');

  const load = startMixedLoad({ url });
  const stage: Stage = { cluster, load, workshop, url, tell };
  const scenes: [string, Scene][] = [
    ['Rolling deploy to v2', rollingDeploys(['v2'], port)],
    ['A v3 that crashes at start', brokenDeploy('v3', 'crashes at start', port, 'v2')],
    ['An agent is killed (kill -9)', agentKilled(0)],
    ['The leader is killed in the middle of a deploy', leaderLost('v4', port, 'SIGKILL')],
    ['Redis is frozen for 10 s', redisLost('pause', 10_000)],
    ['A host is killed, all its processes at once', hostKilled(2)],
  ];
  for (const [name, scene] of scenes) {
    if (interrupted.signal.aborted) break;
    tell(`\n▶ ${name}`);
    const result = await play(name, stage, scene);
    for (const { kept, promise, measured } of result.checks) tell(`  ${kept ? '✔' : '✘'} ${promise} (${measured})`);
    results.push(result);
  }
  const figures = await load.stop();
  tell(renderReport(results, figures));
} finally {
  tell('Stopping everything that was started …');
  await cluster.close();
  await rm(directory, { recursive: true, force: true });
}
if (interrupted.signal.aborted) process.exitCode = 130;
else if (results.length === 0 || results.some(({ checks }) => checks.some(({ kept }) => !kept))) process.exitCode = 1;
