import { readdir, readFile } from 'node:fs/promises';
import { runDrover } from '../cluster/run-drover.ts';
import { waitUntil } from '../cluster/wait-until.ts';
import type { Scene } from './scene.ts';
import { writeService } from './wrong-input.ts';

/** Forks a child in a session of its own and one in its own group; all of them ignore SIGINT and SIGTERM. */
const stubborn = `
const { spawn } = require('node:child_process');
const idle = "process.on('SIGINT', () => {}); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)";
for (const detached of [true, false]) spawn(process.execPath, ['-e', idle + ' // ' + process.argv[2]], { detached, stdio: 'ignore' });
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
setInterval(() => {}, 1000);
`;

/** A worker that forks children and ignores SIGINT: nothing of it is left after `drover delete`. */
export const stubbornTree: Scene = async ({ cluster, workshop }, check) => {
  const mark = `stubborn-${process.pid}-${Date.now()}`;
  const app = { instances: 3, kill_timeout: 500, args: [mark] };
  const file = await writeService(workshop, { name: 'stubborn', app, code: stubborn });
  const deployed = await runDrover(['deploy', file, '--yes'], { env: cluster.env });
  if (deployed.code !== 0) throw new Error(deployed.stderr);
  const tree = await waitUntil('three workers with two children each', async () => {
    const found = await findMarked(mark);
    return found.length >= 9 && found;
  });
  const deleted = await runDrover(['delete', 'stubborn'], { env: cluster.env });
  if (deleted.code !== 0) throw new Error(deleted.stderr);
  await waitUntil(
    'the service to be forgotten',
    async () => !(await cluster.client.listServices({})).some(({ name }) => name === 'stubborn'),
  );
  const left = await findMarked(mark);
  check(
    'nothing of it is left after drover delete',
    left.length === 0,
    `${tree.length} processes before, ${left.length} after`,
  );
};

async function findMarked(mark: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return command.includes(mark) && pid !== process.pid ? [pid] : [];
    }),
  );
  return found.flat();
}
