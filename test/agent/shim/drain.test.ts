import assert from 'node:assert/strict';
import { Agent, get, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { ownPort } from '../../support/own-port.ts';
import { type BundleOverrides, runShim } from './run-shim.ts';

const CLIENTS = 12;

for (const schedulingPolicy of ['shared', 'round-robin'] as const) {
  test(`one of two cluster workers (${schedulingPolicy}) drains and stops under keep-alive load without a failed request`, async (t) => {
    const shim = await runShim(t, { execMode: 'cluster', schedulingPolicy });
    const port = await ownPort();
    await shim.start('i-0', { port, slot: 0 });
    await shim.start('i-1', { port, slot: 1 });
    const leaving = await shim.reaches('i-0', 'ready');
    const staying = await shim.reaches('i-1', 'ready');
    assert.equal(leaving.listening?.port, port);

    const load = startLoad(port);
    t.after(() => load.end());
    await eventually(() => load.answeredBy(leaving.pid) > 20 && load.answeredBy(staying.pid) > 20);
    await shim.client.request({ type: 'drain', id: 'i-0' });
    await eventually(async () => (await shim.worker('i-0')).drained);
    await shim.client.request({ type: 'stop', id: 'i-0' });
    await shim.reaches('i-0', 'exited');
    const answered = load.answeredBy(staying.pid);
    await eventually(() => load.answeredBy(staying.pid) > answered + 50);
    await load.end();
    assert.deepEqual(load.failures, []);
    const { pid, restarts } = await shim.worker('i-1');
    assert.deepEqual({ pid, restarts }, { pid: staying.pid, restarts: 0 });
  });
}

test('a draining worker answers the request in flight, closes its connection, and accepts no new one', async (t) => {
  const { shim, port } = await readyWorker(t);
  const keepAlive = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => keepAlive.destroy());
  const slow = request(port, '/slow?ms=2500', keepAlive);
  await eventually(() => Object.keys(keepAlive.sockets).length === 1);
  // The worker has the request once a later one, on another connection, has been answered.
  await request(port, '/', new Agent());
  await shim.client.request({ type: 'drain', id: 'i-1' });
  const draining = await eventually(async () => {
    const worker = await shim.worker('i-1');
    assert.equal(worker.inFlight, 1);
    return worker;
  });
  assert.equal(draining.phase, 'draining');
  assert.equal(draining.drained, false);
  await assert.rejects(request(port, '/', new Agent()), { code: 'ECONNREFUSED' });
  const answer = await slow;
  assert.equal(answer.headers.connection, 'close');
  // Nothing keeps a server alive that has no connection and accepts none, so a plain service ends here by itself.
  const ended = await shim.reaches('i-1', 'exited');
  assert.equal(ended.lastExit?.reason, 'drained');
  assert.equal(ended.restarts, 0);
});

test('an idle keep-alive connection is not cut: the request that comes on it is answered and ends it', async (t) => {
  const { shim, port } = await readyWorker(t);
  const keepAlive = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => keepAlive.destroy());
  assert.equal((await request(port, '/', keepAlive)).headers.connection, 'keep-alive');
  await shim.client.request({ type: 'drain', id: 'i-1' });
  await eventually(async () => {
    const { inFlight, connections } = await shim.worker('i-1');
    assert.deepEqual({ inFlight, connections }, { inFlight: 0, connections: 1 });
  });
  assert.equal((await request(port, '/', keepAlive)).headers.connection, 'close');
  await shim.reaches('i-1', 'exited');
});

test('a WebSocket does not hold a drain up: only its worker can end it, once it is stopped', async (t) => {
  const { shim, port } = await readyWorker(t, { script: 'upgrades-connections.mjs' });
  const plain = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => plain.destroy());
  await request(port, '/', plain);
  const upgraded = await upgrade(port);
  t.after(() => upgraded.destroy());
  await shim.client.request({ type: 'drain', id: 'i-1' });
  const waiting = await eventually(async () => {
    const worker = await shim.worker('i-1');
    assert.equal(worker.connections, 2);
    return worker;
  });
  assert.equal(waiting.drained, false, 'a request may be on the wire of the other connection');
  plain.destroy();
  await eventually(async () => (await shim.worker('i-1')).drained);
  assert.equal(upgraded.destroyed, false);
});

test('a service sees none of this: its listeners, its entry file and its own close work as without us', async (t) => {
  const { shim, port } = await readyWorker(t, { script: 'serves-http-ready-message.cjs', waitReady: true });
  const response = await request(port, '/', new Agent());
  assert.equal(response.body, 'main');
  await shim.client.request({ type: 'drain', id: 'i-1' });
  await eventually(async () => (await shim.worker('i-1')).drained);
  await shim.client.request({ type: 'stop', id: 'i-1' });
  const stopped = await shim.reaches('i-1', 'exited');
  assert.deepEqual(stopped.lastExit?.lastLines, ['closed well']);
  assert.equal(stopped.lastExit?.code, 0);
});

test('a program with nothing left to do ends, and finds only its own arguments', async (t) => {
  const shim = await runShim(t, {
    script: 'ends-by-itself.mjs',
    args: ['a b', '--c'],
    nodeArgs: ['--no-warnings'],
    restart: { autorestart: false },
  });
  await shim.start('i-1');
  const ended = await shim.reaches('i-1', 'exited');
  assert.equal(ended.lastExit?.code, 0);
  assert.deepEqual(JSON.parse(ended.lastExit?.lastLines[0] ?? ''), {
    args: ['a b', '--c'],
    execArgv: ['--no-warnings'],
    channel: true,
  });
});

test('shutdown_with_message sends the message instead of the signal', async (t) => {
  const shim = await runShim(t, { script: 'listens-to-messages.mjs', waitReady: true, shutdownWithMessage: true });
  await shim.start('i-1');
  await shim.reaches('i-1', 'ready');
  await shim.client.request({ type: 'drain', id: 'i-1' });
  await shim.client.request({ type: 'stop', id: 'i-1' });
  const { lastExit } = await shim.reaches('i-1', 'exited');
  assert.deepEqual(
    { code: lastExit?.code, forced: lastExit?.forced, lines: lastExit?.lastLines },
    { code: 0, forced: false, lines: ['message "shutdown"'] },
  );
});

async function readyWorker(t: Parameters<typeof runShim>[0], overrides: BundleOverrides = {}) {
  const shim = await runShim(t, overrides);
  const port = await ownPort();
  await shim.start('i-1', { port });
  await shim.reaches('i-1', 'ready');
  return { shim, port };
}

/**
 * Clients that send one request after the other, each on a connection of its own that it keeps for as long as it may.
 */
function startLoad(port: number) {
  const failures: string[] = [];
  const answers = new Map<string, number>();
  let isEnding = false;
  const client = async () => {
    let agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let sent = 1; !isEnding; sent += 1) {
      try {
        const { body } = await request(port, '/', agent);
        const pid = body.split(' ')[0] ?? '';
        answers.set(pid, (answers.get(pid) ?? 0) + 1);
      } catch (error) {
        failures.push(String(error));
      }
      // New connections too, so that the listening socket is in use all the time.
      if (sent % 20 === 0) {
        agent.destroy();
        agent = new Agent({ keepAlive: true, maxSockets: 1 });
      }
    }
    agent.destroy();
  };
  const clients = Array.from({ length: CLIENTS }, client);
  return {
    failures,
    answeredBy: (pid: number | null) => answers.get(String(pid)) ?? 0,
    async end() {
      isEnding = true;
      await Promise.all(clients);
    },
  };
}

function upgrade(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, headers: { connection: 'Upgrade', upgrade: 'websocket' } })
      .on('upgrade', (_response, socket) => resolve(socket as Socket))
      .on('error', reject);
  });
}

function request(port: number, path: string, agent: Agent): Promise<IncomingMessage & { body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve(Object.assign(response, { body })));
      response.on('error', reject);
    }).on('error', reject);
  });
}
