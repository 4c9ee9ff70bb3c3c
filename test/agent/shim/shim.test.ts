import assert from 'node:assert/strict';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive, readProcessIdentity } from '../../../agent/process/process-identity.ts';
import { bundlePaths } from '../../../agent/shim/bundle-files.ts';
import { connectShim } from '../../../agent/shim/client.ts';
import { eventually } from '../../support/eventually.ts';
import { ownPort } from '../../support/own-port.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { runShim } from './run-shim.ts';

test('SIGHUP changes nothing, SIGTERM stops the workers and ends the shim', async (t) => {
  const shim = await runShim(t);
  await shim.start('i-1', { port: await ownPort() });
  const { pid } = await shim.reaches('i-1', 'ready');
  const worker = readProcessIdentity(pid!)!;
  const identity = readProcessIdentity(shim.pid)!;
  process.kill(shim.pid, 'SIGHUP');
  assert.equal((await shim.worker('i-1')).phase, 'ready');
  process.kill(shim.pid, 'SIGTERM');
  await eventually(() => !isAlive(identity));
  assert.equal(isAlive(worker), false);
  assert.ok(!existsSync(bundlePaths(shim.directory).shim));
});

test('shutdown is refused while workers live, and a broken line changes nothing', async (t) => {
  const shim = await runShim(t);
  const identity = readProcessIdentity(shim.pid)!;
  await shim.start('i-1', { port: await ownPort() });
  const { pid } = await shim.reaches('i-1', 'ready');
  await assert.rejects(shim.client.request({ type: 'shutdown' }), { code: 'SHIM_BUSY' });
  await assert.rejects(shim.client.request({ type: 'forget', id: 'i-1' }), { code: 'INSTANCE_ALIVE' });
  await assert.rejects(shim.client.request({ type: 'stop', id: 'i-9' }), { code: 'INSTANCE_UNKNOWN' });
  await assert.rejects(shim.client.request({ type: 'dance' } as never), { code: 'REQUEST_INVALID' });
  await assert.rejects(shim.start('../i'), { code: 'REQUEST_INVALID' });
  await assert.rejects(shim.client.request({ type: 'signal', id: 'i-1', signal: 'SIGNOPE' as never }), {
    code: 'REQUEST_INVALID',
  });

  const rude = createConnection(shim.bundle.socketPath);
  const answers: Buffer[] = [];
  rude.on('data', (chunk: Buffer) => answers.push(chunk));
  rude.write('{broken\n[]\nnull\n{"request":4,"type":"status"}\n');
  await eventually(() => Buffer.concat(answers).toString().split('\n').length === 5);
  assert.match(Buffer.concat(answers).toString(), /not JSON[\s\S]*HELLO_REQUIRED/);
  rude.destroy();
  assert.equal((await shim.worker('i-1')).pid, pid);

  await shim.client.request({ type: 'shutdown', force: true });
  await eventually(() => !isAlive(identity));
});

test('the directory, the bundle and the socket are for their owner only', async (t) => {
  const shim = await runShim(t);
  const files = bundlePaths(shim.directory);
  const modes = [shim.directory, files.bundle, files.shim, shim.bundle.socketPath].map(
    (path) => statSync(path).mode & 0o777,
  );
  assert.deepEqual(modes, [0o700, 0o600, 0o600, 0o600]);
});

test('a socket file that somebody deletes is made anew, so that an agent finds the workers again', async (t) => {
  const shim = await runShim(t);
  await shim.start('i-1', { port: await ownPort() });
  const { pid } = await shim.reaches('i-1', 'ready');
  rmSync(shim.bundle.socketPath);
  await eventually(() => existsSync(shim.bundle.socketPath));
  assert.equal((await shim.worker('i-1')).pid, pid, 'the connection that was there still serves');
  // The file is there a moment before anybody listens at it.
  const client = await eventually(() => connectShim({ socketPath: shim.bundle.socketPath, onState() {} }));
  t.after(() => client.close());
  assert.equal(client.welcome.workers[0]?.pid, pid);
});

test('a record that an earlier process with the same pid has left is not taken for the new shim', async (t) => {
  const path = join(tempDirectory(t), 'node');
  // What a host finds that was booted again: the record is there, and its number comes again.
  const script = `#!/bin/sh
for last; do :; done
printf '{"pid":%d,"startTime":1,"bootId":"earlier","version":1,"socketPath":"none"}' $$ > "$last/shim.json"
sleep 0.3
exec ${process.execPath} "$@"
`;
  writeFileSync(path, script, { mode: 0o755 });
  const shim = await runShim(t, {}, { nodePath: path });
  assert.equal(shim.client.welcome.shim.pid, shim.pid);
});
