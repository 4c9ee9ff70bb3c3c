import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runDrover } from '../../scripts/cluster/run-drover.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import { openCluster } from './open-stage.ts';

/** Forks a child in a session of its own and one in its own group; all of them ignore SIGINT and SIGTERM. */
const stubborn = `
const { spawn } = require('node:child_process');
const idle = "process.on('SIGINT', () => {}); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)";
for (const detached of [true, false]) spawn(process.execPath, ['-e', idle + ' // MARK'], { detached, stdio: 'ignore' });
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
setInterval(() => {}, 1000); // MARK
`;

async function processesMarked(mark: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return command.includes(mark) && pid !== process.pid ? [pid] : [];
    }),
  );
  return found.flat();
}

test('nothing is left of a worker that forks children and ignores SIGINT once its service is deleted', async (t) => {
  const cluster = await openCluster(t);
  const mark = `stubborn-${process.pid}-${Date.now()}`;
  const directory = join(cluster.directory, mark);
  await mkdir(directory);
  await writeFile(join(directory, 'server.js'), stubborn.replaceAll('MARK', mark));
  const file = join(directory, 'ecosystem.config.json');
  await writeFile(
    file,
    JSON.stringify({
      apps: [{ name: 'stubborn', script: 'server.js', instances: 3, kill_timeout: 500, args: [mark] }],
    }),
  );

  const deployed = await runDrover(['deploy', file, '--yes'], { env: cluster.env });
  assert.equal(deployed.code, 0, deployed.stderr);
  await waitUntil('three workers with two children each', async () => (await processesMarked(mark)).length >= 9);

  const deleted = await runDrover(['delete', 'stubborn'], { env: cluster.env });
  assert.equal(deleted.code, 0, deleted.stderr);
  await waitUntil('the service to be forgotten', async () => (await cluster.client.listServices({})).length === 0);
  assert.deepEqual(await processesMarked(mark), []);
});
