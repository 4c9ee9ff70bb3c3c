import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../shared/runtime/free-port.ts';
import { startLocalCluster } from './cluster/local-cluster.ts';
import { waitUntil } from './cluster/wait-until.ts';
import { startMixedLoad } from './load/mixed-load.ts';
import { readArguments } from './read-arguments.ts';
import { platformRedeployed } from './story/platform-scene.ts';
import { renderReport } from './story/report.ts';
import { play, type Scene, type SceneResult, type Stage } from './story/scene.ts';
import {
  agentKilled,
  askVersions,
  brokenDeploy,
  deploy,
  hostKilled,
  leaderLost,
  rollingDeploys,
} from './story/scenes.ts';
import { redisLost } from './story/store-scenes.ts';
import { stubbornTree } from './story/stubborn-tree.ts';
import { wrongInputs } from './story/wrong-input.ts';

/**
 * `npm run demo`: a cluster of three hosts, load all the time, and everything that usually goes wrong. Ends by itself;
 * exit code 1 if any promise was broken.
 */
readArguments('usage: npm run demo: ends by itself, with 1 if any promise was broken\n');

const tell = (line: string) => void process.stdout.write(`${line}\n`);
const directory = await mkdtemp(join(tmpdir(), 'drover-demo-'));
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());

tell(
  'Drover demo: two controllers, three hosts, one router, one service of six instances, and\na platform of six services. It takes about six minutes.\n',
);
const cluster = await startLocalCluster({
  directory,
  controllers: 2,
  agents: 3,
  onProgress: (line) => tell(`  ${line}`),
});
const results: SceneResult[] = [];
let close = cluster.close;
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
  const versions = Array.from({ length: 20 }, (_, index) => `v${index + 2}`);
  const scenes: [string, Scene][] = [
    ['Twenty rolling deploys in a row, v2 to v21', rollingDeploys(versions, port)],
    ['A v22 that crashes at start', brokenDeploy('v22', 'crashes at start', port, 'v21')],
    ['A v23 that never gets ready', brokenDeploy('v23', 'never gets ready', port, 'v21')],
    ['A v24 that turns unhealthy after it was ready', brokenDeploy('v24', 'turns unhealthy', port, 'v21')],
    ['An agent is killed (kill -9)', agentKilled(0)],
    ['The leader is killed in the middle of a deploy', leaderLost('v25', port, 'SIGKILL')],
    ['The leader is frozen in the middle of a deploy', leaderLost('v26', port, 'SIGSTOP')],
    ['A host is killed, all its processes at once', hostKilled(2, 'v27', port)],
    ['Redis is frozen for 30 s', redisLost('pause', 30_000)],
    ['Redis is killed (kill -9) and started again', redisLost('kill', 3_000)],
    ['Wrong input', wrongInputs(port)],
    ['A worker that ignores SIGINT and has children', stubbornTree],
    [
      'The example platform of six services, each of them redeployed while it is verified',
      platformRedeployed((platform) => {
        close = platform.close;
      }),
    ],
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
  await close();
  await rm(directory, { recursive: true, force: true });
}
if (interrupted.signal.aborted) process.exitCode = 130;
else if (results.length === 0 || results.some(({ checks }) => checks.some(({ kept }) => !kept))) process.exitCode = 1;
