import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive, readProcessIdentity } from '../../../agent/process/process-identity.ts';
import { bundlePaths } from '../../../agent/shim/bundle-files.ts';
import { connectShim } from '../../../agent/shim/client.ts';
import { cleanLeftovers, discoverShims } from '../../../agent/shim/discover.ts';
import { launchShim } from '../../../agent/shim/launch.ts';
import { eventually } from '../../support/eventually.ts';
import { ownPort } from '../../support/own-port.ts';
import { runShim } from './run-shim.ts';

test('an agent that goes away and comes back finds the same pids, and the newest agent is the one served', async (t) => {
  const shim = await runShim(t);
  const port = await ownPort();
  await shim.start('i-1', { port });
  const before = await shim.reaches('i-1', 'ready');
  shim.client.close();
  assert.equal(await get(port), `${before.pid} 0`);

  const [found] = discoverShims(shim.bundlesRoot);
  assert.equal(found?.state, 'alive');
  let isReplaced = false;
  const first = await connectShim({
    socketPath: shim.bundle.socketPath,
    onState: () => {},
    onClose: () => {
      isReplaced = true;
    },
  });
  assert.equal(first.welcome.workers[0]?.pid, before.pid);
  assert.equal(first.welcome.workers[0]?.phase, 'ready');
  const again = await shim.reconnect();
  await eventually(() => isReplaced);
  assert.equal(again.welcome.shim.pid, shim.pid);
  await assert.rejects(first.request({ type: 'status' }), /not reachable/);
  assert.equal((await shim.worker('i-1')).pid, before.pid);
});

test('a second launch of the same bundle connects to the shim that runs', async (t) => {
  const shim = await runShim(t);
  const second = await launchShim({
    directory: shim.directory,
    bundle: shim.bundle,
    onState: () => {},
    compileCacheDirectory: join(shim.root, 'cache'),
  });
  t.after(() => second.close());
  assert.equal(second.welcome.shim.pid, shim.pid);
});

test('a shim that cannot start says why to the one who launches it', async (t) => {
  const shim = await runShim(t);
  await assert.rejects(
    launchShim({
      directory: join(shim.root, 'other'),
      bundle: { ...shim.bundle, socketPath: shim.root },
      onState: () => {},
      compileCacheDirectory: join(shim.root, 'cache'),
    }),
    /The shim of web did not start: .*is a directory/i,
  );
  await assert.rejects(
    launchShim({
      directory: join(shim.root, 'other'),
      bundle: { ...shim.bundle, socketPath: `${shim.root}/${'long'.repeat(30)}.sock` },
      onState: () => {},
      compileCacheDirectory: join(shim.root, 'cache'),
    }),
    /longer than 107 bytes/,
  );
});

test('a killed shim leaves workers that discovery finds by identity and that cleaning ends', async (t) => {
  const shim = await runShim(t);
  const port = await ownPort();
  await shim.start('i-1', { port });
  const { pid } = await shim.reaches('i-1', 'ready');
  const worker = readProcessIdentity(pid!)!;
  const shimIdentity = readProcessIdentity(shim.pid)!;
  process.kill(shim.pid, 'SIGKILL');
  await eventually(() => !isAlive(shimIdentity));
  const [dead] = discoverShims(shim.bundlesRoot);
  assert.ok(dead?.state === 'dead');
  assert.deepEqual(dead.leftovers[0]?.process, worker);
  assert.deepEqual(await cleanLeftovers(dead), []);
  assert.equal(isAlive(worker), false);
  assert.ok(!existsSync(join(bundlePaths(shim.directory).workers, 'i-1.json')));
});

test('cleaning never signals a process that only has the pid of a recorded worker', async (t) => {
  const shim = await runShim(t);
  const stranger = await runShim(t);
  const identity = readProcessIdentity(stranger.pid)!;
  const shimIdentity = readProcessIdentity(shim.pid)!;
  await shim.start('i-1', { port: await ownPort() });
  await shim.reaches('i-1', 'ready');
  await shim.client.request({ type: 'stop', id: 'i-1' });
  await shim.reaches('i-1', 'exited');
  process.kill(shim.pid, 'SIGKILL');
  await eventually(() => !isAlive(shimIdentity));
  const recycled = { ...identity, startTime: identity.startTime - 1 };
  const record = { instanceId: 'i-1', process: recycled };
  writeFileSync(join(bundlePaths(shim.directory).workers, 'i-1.json'), JSON.stringify(record));
  // The dead shim's own pid has been given to the stranger too.
  writeFileSync(bundlePaths(shim.directory).shim, JSON.stringify({ ...recycled, version: 1, socketPath: '' }));
  const [dead] = discoverShims(shim.bundlesRoot);
  assert.ok(dead?.state === 'dead');
  assert.deepEqual(dead.leftovers[0]?.living, []);
  assert.deepEqual(await cleanLeftovers(dead), []);
  assert.ok(isAlive(identity));
});

async function get(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  return response.text();
}
