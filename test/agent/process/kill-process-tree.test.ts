import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { test } from 'node:test';
import { killProcessTree } from '../../../agent/process/kill-process-tree.ts';
import { isAlive, readChildIdentity, readProcessIdentity } from '../../../agent/process/process-identity.ts';
import { findProcessTree } from '../../../agent/process/process-tree.ts';
import { signalProcess } from '../../../agent/process/signal-process.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';

test('an identity is its process and no later one with the same pid', (t) => {
  const identity = readChildIdentity(sleeper(t).pid!)!;
  assert.ok(isAlive(identity));
  assert.ok(!isAlive({ ...identity, startTime: identity.startTime + 1 }));
  assert.ok(!isAlive({ ...identity, bootId: 'another boot' }));
  assert.equal(readProcessIdentity(2 ** 22 + 1), null);
});

test('a process that has ended and was not reaped is not alive', async (t) => {
  const shell = spawn('bash', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => void shell.kill('SIGKILL'));
  let text = '';
  shell.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await eventually(() => text.endsWith('\n'));
  await eventually(() => assert.equal(readProcessIdentity(Number(text)), null));
});

test('a recycled pid is never signalled, neither alone nor as a tree', async (t) => {
  const child = sleeper(t, { detached: true });
  const identity = readChildIdentity(child.pid!)!;
  for (const recycled of [
    { ...identity, startTime: identity.startTime - 1 },
    { ...identity, bootId: 'another boot' },
  ]) {
    assert.equal(signalProcess(recycled, 'SIGKILL'), 'gone');
    assert.deepEqual(findProcessTree({ root: recycled }), []);
    const result = await killProcessTree({ root: recycled, signal: 'SIGKILL', killTimeoutMs: 0 });
    assert.deepEqual(result, { forced: false, survivors: [] });
  }
  assert.ok(isAlive(identity));
  assert.equal(child.exitCode ?? child.signalCode, null);
});

test('pid 1 and the caller are in no tree', () => {
  const self = readProcessIdentity(process.pid)!;
  const init = readProcessIdentity(1)!;
  assert.ok(findProcessTree({ root: self }).every(({ pid }) => pid !== process.pid));
  assert.deepEqual(
    findProcessTree({ root: null, known: [init] }).filter(({ pid }) => pid === 1),
    [],
  );
  assert.equal(signalProcess(init, 'SIGCONT'), 'gone');
});

test('a polite process ends by the signal alone; a stubborn one by SIGKILL after the timeout', async (t) => {
  const polite = readChildIdentity(sleeper(t).pid!)!;
  assert.deepEqual(await killProcessTree({ root: polite, signal: 'SIGTERM', killTimeoutMs: 5_000 }), {
    forced: false,
    survivors: [],
  });
  const stubborn = spawn('bash', ['-c', `trap '' TERM; echo up; while :; do sleep 0.1; done`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => void stubborn.kill('SIGKILL'));
  await new Promise((resolve) => stubborn.stdout.once('data', resolve));
  const root = readChildIdentity(stubborn.pid!)!;
  const result = await killProcessTree({ root, signal: 'SIGTERM', killTimeoutMs: 200 });
  assert.deepEqual(result, { forced: true, survivors: [] });
  assert.ok(!isAlive(root));
});

test('without treekill only the process itself is ended', async (t) => {
  const shell = spawn('bash', ['-c', 'sleep 60 & echo $!; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  shell.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await eventually(() => text.endsWith('\n'));
  const child = readProcessIdentity(Number(text))!;
  t.after(() => void signalProcess(child, 'SIGKILL'));
  const root = readChildIdentity(shell.pid!)!;
  await killProcessTree({ root, signal: 'SIGTERM', killTimeoutMs: 2_000, wholeTree: false });
  assert.ok(!isAlive(root));
  assert.ok(isAlive(child));
});

test('the marker finds a process that has left its parent, its group and its session', async (t) => {
  const marker = `DROVER_INSTANCE_ID=i-${process.pid}`;
  const shell = spawn('bash', ['-c', 'setsid sleep 60 >/dev/null 2>&1 & echo $!'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH, DROVER_INSTANCE_ID: `i-${process.pid}` },
  });
  let text = '';
  shell.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await eventually(() => text.endsWith('\n') && shell.exitCode === 0);
  const escaped = readProcessIdentity(Number(text))!;
  t.after(() => void signalProcess(escaped, 'SIGKILL'));
  assert.deepEqual(findProcessTree({ root: null, markers: [`${marker}0`] }), []);
  assert.deepEqual(findProcessTree({ root: null, markers: [marker, 'DROVER_SHIM=/another'] }), []);
  assert.deepEqual(findProcessTree({ root: null, markers: [marker] }), [escaped]);
  await killProcessTree({ root: null, markers: [marker], signal: 'SIGTERM', killTimeoutMs: 2_000 });
  assert.ok(!isAlive(escaped));
});

function sleeper(t: Lifetime, options: { detached?: boolean } = {}): ChildProcess {
  const child = spawn('sleep', ['60'], { stdio: 'ignore', ...options });
  t.after(() => void child.kill('SIGKILL'));
  return child;
}
