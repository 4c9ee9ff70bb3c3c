import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { isAlive, type ProcessIdentity, readProcessIdentity } from '../../../agent/process/process-identity.ts';
import { findProcessTree } from '../../../agent/process/process-tree.ts';
import { readExitRecords } from '../../../agent/shim/discover.ts';
import { markersOf } from '../../../agent/shim/worker-environment.ts';
import { eventually } from '../../support/eventually.ts';
import { ownPort } from '../../support/own-port.ts';
import { runShim } from './run-shim.ts';

test('a worker that is to listen is ready when it listens on its port, and not by a stranger there', async (t) => {
  const shim = await runShim(t);
  const port = await ownPort();
  await shim.start('i-1', { port, slot: 3 });
  const ready = await shim.reaches('i-1', 'ready');
  assert.deepEqual(ready.listening, { address: '127.0.0.1', port });
  assert.equal(await get(port), `${ready.pid} 3`);
  assert.deepEqual(shim.phases('i-1'), ['starting', 'ready']);

  const stranger = createServer().listen(0, '127.0.0.1');
  t.after(() => void stranger.close());
  await eventually(() => stranger.listening);
  const taken = (stranger.address() as { port: number }).port;
  await shim.start('i-2', { port: taken }, true);
  const failed = await shim.reaches('i-2', 'errored');
  assert.match(failed.failure ?? '', /never ready.*exited with code 1/);
  assert.match(failed.lastExit?.lastLines.join('\n') ?? '', /EADDRINUSE/);
});

test('wait_ready waits for the message, and running out of time kills the worker and is a failure', async (t) => {
  const shim = await runShim(t, { script: 'never-ready.mjs', waitReady: true, listenTimeoutMs: 2_000 });
  await shim.start('i-1', {}, true);
  const { pid } = await shim.reaches('i-1', 'starting');
  const failed = await shim.reaches('i-1', 'errored');
  assert.equal(failed.lastExit?.reason, 'ready-timeout');
  assert.match(failed.failure ?? '', /did not send 'ready' within 2000 ms/);
  assert.deepEqual(failed.lastExit?.lastLines, ['warming up']);
  assert.equal(readProcessIdentity(pid!), null);
  assert.ok(!shim.phases('i-1').includes('ready'));
});

test('a worker that does not listen in time fails, and is told that a stranger holds its port', async (t) => {
  const shim = await runShim(t, { script: 'never-ready.mjs', listenTimeoutMs: 300 });
  const stranger = createServer().listen(0, '127.0.0.1');
  t.after(() => void stranger.close());
  await eventually(() => stranger.listening);
  const { port } = stranger.address() as { port: number };
  await shim.start('i-1', { port }, true);
  const failed = await shim.reaches('i-1', 'errored');
  assert.match(failed.failure ?? '', new RegExp(`on port ${port} within 300 ms; another process holds the port`));
});

test('a crash loop backs off, gives up after max_restarts, and leaves a record of every exit', async (t) => {
  const shim = await runShim(t, {
    script: 'crashes-at-start.mjs',
    restart: { maxRestarts: 4, minUptimeMs: 5_000, expBackoffRestartDelayMs: 20 },
  });
  await shim.start('i-1');
  const failed = await shim.reaches('i-1', 'errored');
  assert.match(failed.failure ?? '', /^4 unstable exits in a row, the last: exited with code 7/);
  assert.equal(failed.restarts, 3);
  assert.deepEqual(failed.lastExit?.lastLines, ['starting', 'cannot reach the database']);
  assert.equal(shim.log('i-1', 'err'), 'cannot reach the database\n'.repeat(4));
  const records = readExitRecords(shim.directory);
  assert.deepEqual(
    records.map(({ instanceId, code, reason }) => `${instanceId} ${code} ${reason}`),
    Array.from({ length: 4 }, () => 'i-1 7 exit'),
  );
  const sequences = shim.events.map(({ sequence }) => sequence);
  assert.deepEqual(
    sequences,
    sequences.map((_, index) => sequences[0]! + index),
  );
  await assert.rejects(shim.start('i-1'), { code: 'INSTANCE_ENDED' });
});

test('a stop exit code, and autorestart off, end a worker without another attempt', async (t) => {
  const shim = await runShim(t, {
    script: 'crashes-at-start.mjs',
    restart: { stopExitCodes: [7], minUptimeMs: 5_000 },
  });
  await shim.start('i-1');
  assert.match((await shim.reaches('i-1', 'exited')).failure ?? '', /stop_exit_codes: exited with code 7/);
  assert.deepEqual(shim.phases('i-1'), ['starting', 'exited']);
  const off = await runShim(t, { script: 'crashes-at-start.mjs', restart: { autorestart: false } });
  await off.start('i-1');
  assert.match((await off.reaches('i-1', 'exited')).failure ?? '', /^autorestart is off: exited with code 7/);
});

test('what is ended because it never was ready has failed, also with autorestart off or a stop exit code', async (t) => {
  const never = { waitReady: true, listenTimeoutMs: 300 };
  const off = await runShim(t, { ...never, script: 'never-ready.mjs', restart: { autorestart: false } });
  await off.start('i-1');
  assert.match((await off.reaches('i-1', 'errored')).failure ?? '', /did not send 'ready' within 300 ms/);
  const code = await runShim(t, {
    ...{ ...never, script: 'ends-with-code-0-when-asked.mjs' },
    restart: { stopExitCodes: [0], maxRestarts: 2 },
  });
  await code.start('i-1');
  assert.match((await code.reaches('i-1', 'errored')).failure ?? '', /^2 unstable exits in a row/);
});

test('what cannot be started says which path is wrong, at once', async (t) => {
  const cases = [
    { overrides: { script: 'missing.mjs' }, reason: 'script-not-found', message: /missing\.mjs does not exist/ },
    { overrides: { cwd: '/nowhere' }, reason: 'cwd-not-found', message: /\/nowhere does not exist/ },
    { overrides: { interpreter: 'no-such-thing' }, reason: 'interpreter-not-found', message: /no-such-thing/ },
    { overrides: { interpreter: 'none' }, reason: 'permission-denied', message: /serves-http.*EACCES/ },
  ] as const;
  for (const { overrides, reason, message } of cases) {
    const shim = await runShim(t, overrides);
    await shim.start('i-1');
    const failed = await shim.reaches('i-1', 'errored');
    assert.equal(failed.lastExit?.reason, reason);
    assert.match(failed.failure ?? '', message);
    assert.equal(failed.restarts, 0);
  }
});

test('a program that is not Node is started by its extension, and counts as drained when asked to drain', async (t) => {
  const shim = await runShim(t, { script: 'runs-under-perl.pl' });
  await shim.start('i-1', { port: await ownPort() });
  await shim.reaches('i-1', 'ready');
  await shim.client.request({ type: 'drain', id: 'i-1' });
  assert.equal((await shim.worker('i-1')).drained, true);
  await shim.client.request({ type: 'stop', id: 'i-1' });
  assert.equal((await shim.reaches('i-1', 'exited')).lastExit?.reason, 'stop');
});

test('nothing is left of a stopped worker, not even children in sessions of their own that ignore SIGINT', async (t) => {
  const shim = await runShim(t, { script: 'leaves-stubborn-children.mjs', expectListen: false, killTimeoutMs: 300 });
  await shim.start('i-1');
  await shim.reaches('i-1', 'ready');
  const children = await childrenIn(() => shim.log('i-1'));
  assert.ok(children.every((child) => isAlive(child)));
  await shim.client.request({ type: 'stop', id: 'i-1' });
  const stopped = await shim.reaches('i-1', 'exited');
  assert.equal(stopped.lastExit?.forced, true);
  assert.deepEqual(
    children.filter((child) => isAlive(child)),
    [],
  );
  assert.deepEqual(findProcessTree({ root: null, markers: markersOf(shim.bundle, 'i-1') }), []);
});

test('a stop touches no instance of another shim on the host, even when both use the same id', async (t) => {
  const [first, second] = [await runShim(t), await runShim(t)];
  await first.start('i-1', { port: await ownPort() });
  await second.start('i-1', { port: await ownPort() });
  await first.reaches('i-1', 'ready');
  const { pid } = await second.reaches('i-1', 'ready');
  await first.client.request({ type: 'stop', id: 'i-1' });
  await first.reaches('i-1', 'exited');
  const other = await second.worker('i-1');
  assert.deepEqual({ pid: other.pid, phase: other.phase }, { pid, phase: 'ready' });
});

test('a crash of the worker takes the children that it has left with it, before the restart', async (t) => {
  const shim = await runShim(t, { script: 'leaves-stubborn-children.mjs', expectListen: false, killTimeoutMs: 200 });
  await shim.start('i-1');
  const { pid } = await shim.reaches('i-1', 'ready');
  const children = await childrenIn(() => shim.log('i-1'));
  process.kill(pid!, 'SIGKILL');
  const restarted = await shim.isRestarted('i-1', 'ready');
  assert.equal(restarted.lastExit?.signal, 'SIGKILL');
  assert.deepEqual(
    children.filter((child) => isAlive(child)),
    [],
  );
});

test('a worker over its memory limit is restarted, which does not count as a crash', async (t) => {
  const shim = await runShim(t, {
    script: 'grows-memory.mjs',
    waitReady: true,
    maxMemoryBytes: 120 * 1024 * 1024,
    restart: { maxRestarts: 1 },
  });
  await shim.start('i-1');
  // It grows again at once: what is looked for is what was told, not what is.
  const restarted = await eventually(
    () => shim.events.find(({ worker }) => worker.restarts === 1 && worker.phase === 'starting')?.worker ?? false,
    { timeoutMs: 15_000 },
  );
  assert.equal(restarted.lastExit?.reason, 'memory');
  assert.equal(restarted.unstableRestarts, 0);
});

test('a restart on request keeps the instance and changes the process', async (t) => {
  const shim = await runShim(t);
  const port = await ownPort();
  await shim.start('i-1', { port });
  const before = await shim.reaches('i-1', 'ready');
  await shim.client.request({ type: 'restart', id: 'i-1' });
  const after = await shim.isRestarted('i-1', 'ready');
  assert.notEqual(after.pid, before.pid);
  assert.equal(await get(port), `${after.pid} 0`);
});

test('a worker gets the environment of its bundle and instance, and nothing of its surroundings', async (t) => {
  process.env.SECRET_OF_THE_AGENT = 'hidden';
  t.after(() => delete process.env.SECRET_OF_THE_AGENT);
  for (const execMode of ['fork', 'cluster'] as const) {
    const shim = await runShim(t, { execMode, env: { PATH: '/usr/bin:/bin', COLOUR: 'red' } });
    await shim.start('i-1', { port: await ownPort(), slot: 2, env: { COLOUR: 'blue' } });
    const { pid } = await shim.reaches('i-1', 'ready');
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    const names = entries.map((entry) => entry.split('=')[0]).filter((name) => name && !name.startsWith('NODE_'));
    assert.deepEqual(names.sort(), [
      'COLOUR',
      'DROVER_INSTANCE_ID',
      'DROVER_REVISION',
      'DROVER_SERVICE',
      'DROVER_SHIM',
      'DROVER_SLOT',
      'PATH',
      'PORT',
    ]);
    for (const entry of ['COLOUR=blue', 'NODE_APP_INSTANCE=2', 'DROVER_INSTANCE_ID=i-1']) {
      assert.ok(entries.includes(entry), entry);
    }
  }
});

/** The processes that `leaves-stubborn-children` says it has started. */
function childrenIn(readLog: () => string): Promise<ProcessIdentity[]> {
  return eventually(() => {
    const [, ...pids] = /^children (\d+) (\d+)$/m.exec(readLog()) ?? [];
    assert.equal(pids.length, 2);
    return pids.map((pid) => readProcessIdentity(Number(pid))!);
  });
}

async function get(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  return response.text();
}
