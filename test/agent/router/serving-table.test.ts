import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive } from '../../../agent/process/process-identity.ts';
import { connectRouter } from '../../../agent/router/client.ts';
import { launchRouter } from '../../../agent/router/launch.ts';
import type { Acknowledgement } from '../../../agent/router/protocol.ts';
import { eventually } from '../../support/eventually.ts';
import { ownPort } from '../../support/own-port.ts';
import {
  call,
  endRouter,
  keepAliveAgent,
  rawCall,
  startRouter,
  startWorker,
  type TestWorker,
  web,
} from './router-process.ts';

test('a slow request ends well while its instance leaves the table, which is busy until then', async (t) => {
  const router = await startRouter(t);
  const mayAnswer = Promise.withResolvers<void>();
  const old = await startWorker(t, async (_request, response) => {
    await mayAnswer.promise;
    response.end('old');
  });
  const fresh = await startWorker(t, (_request, response) => response.end('new'));
  await router.route([web([old.port])]);
  const slow = call(router.url);
  await eventually(async () => (await router.client.stats()).services.web?.inFlight === 1);

  const ack = await router.route([web([fresh.port])]);
  assert.deepEqual(ack.busy, [`i-${old.port}`]);
  assert.equal((await call(router.url)).body, 'new');
  mayAnswer.resolve();
  assert.equal((await slow).body, 'old');
  await eventually(() => router.lastAck()?.busy.length === 0);
  assert.equal(router.lastAck()?.epoch, ack.epoch);
});

test('a connection kept to an instance is closed, not used, once the instance has left', async (t) => {
  const router = await startRouter(t);
  const old = await startWorker(t, (_request, response) => response.end('old'));
  const fresh = await startWorker(t, (_request, response) => response.end('new'));
  await router.route([web([old.port])]);
  const agent = keepAliveAgent(t);
  assert.equal((await call(router.url, { agent })).body, 'old');
  await router.route([web([fresh.port])]);
  assert.equal((await call(router.url, { agent })).body, 'new');
  await eventually(
    () => new Promise<boolean>((resolve) => old.server.getConnections((_error, count) => resolve(count === 0))),
  );
});

test('rolling replacement under load fails no request', async (t) => {
  const router = await startRouter(t);
  const startVersion = (version: number): Promise<TestWorker> =>
    startWorker(t, (received, response) => {
      received.resume().on('end', () => setTimeout(() => response.end(`v${version}`), version % 7));
    });
  let workers = [await startVersion(0), await startVersion(0)];
  await router.route([web(workers.map(({ port }) => port))]);

  const agent = keepAliveAgent(t);
  let isOver = false;
  let answered = 0;
  const failures: string[] = [];
  const load = async (kept: boolean): Promise<void> => {
    while (!isOver) {
      try {
        const method = answered % 3 === 0 ? 'POST' : 'GET';
        const answer = await call(router.url, {
          method,
          ...(kept ? { agent } : {}),
          body: method === 'POST' ? 'x' : '',
        });
        if (answer.status !== 200) failures.push(`${answer.status} ${answer.body}`);
      } catch (error) {
        failures.push(String(error));
      }
      answered++;
    }
  };
  const clients = [load(true), load(true), load(true), load(false), load(false)];
  for (let version = 1; version <= 20; version++) {
    const before = answered;
    for (let slot = 0; slot < workers.length; slot++) {
      const old = workers[slot]!;
      workers = workers.with(slot, await startVersion(version));
      const ack = await router.route([web(workers.map(({ port }) => port))]);
      const id = `i-${old.port}`;
      await eventually(() => router.lastAck()!.epoch >= ack.epoch && !router.lastAck()!.busy.includes(id));
      // What a SIGKILL does to the sockets of a worker.
      old.server.close();
      old.server.closeAllConnections();
    }
    await eventually(() => answered >= before + 10);
  }
  isOver = true;
  await Promise.all(clients);
  assert.deepEqual(failures, []);
  assert.equal((await call(router.url)).body, 'v20');
});

test('an older epoch is refused, and taken in another generation', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (_request, response) => response.end('here'));
  router.client.sendTable({ epoch: 7, generation: 'g', services: [web([worker.port])] });
  await eventually(() => router.lastAck()?.epoch === 7);
  router.client.sendTable({ epoch: 6, generation: 'g', services: [] });
  await eventually(() => router.acks.length === 2);
  assert.equal(router.lastAck()?.epoch, 7);
  assert.equal((await call(router.url)).body, 'here');
  router.client.sendTable(null);
  await eventually(() => router.acks.length === 3);
  assert.equal(router.lastAck()?.epoch, 7);
  router.client.sendTable({ epoch: 1, generation: 'new', services: [] });
  await eventually(() => router.lastAck()?.generation === 'new');
  assert.equal((await call(router.url)).status, 404);
});

test('a route with a port gets a listener of its own, for as long as it is in the table', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (_request, response) => response.end('own port'));
  const port = await ownPort();
  const service = web([worker.port], { routes: [{ port }] });
  assert.deepEqual((await router.route([service])).errors, []);
  assert.equal((await call(`http://127.0.0.1:${port}`)).body, 'own port');
  assert.equal((await call(router.url)).status, 404);
  await router.route([]);
  await assert.rejects(call(`http://127.0.0.1:${port}`), { code: 'ECONNREFUSED' });
});

test('a request in flight on a listener that leaves the table ends well, and its connection ends with it', async (t) => {
  const router = await startRouter(t);
  const mayAnswer = Promise.withResolvers<void>();
  const worker = await startWorker(t, async (_request, response) => {
    await mayAnswer.promise;
    response.end('finished');
  });
  const port = await ownPort();
  await router.route([web([worker.port], { routes: [{ port }] })]);
  const slow = rawCall(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually(async () => (await router.client.stats()).services.web?.inFlight === 1);
  await router.route([]);
  mayAnswer.resolve();
  assert.match(await slow, /^HTTP\/1\.1 200 .*Connection: close\r\n\r\n(?:8\r\n)?finished(?!.*HTTP)/s);
});

test('a port that is taken is reported, and bound once it is free', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (_request, response) => response.end('mine now'));
  const holder = createServer().listen(0, '127.0.0.1');
  t.after(() => holder.close());
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const ack = await router.route([web([worker.port], { routes: [{ port }] })]);
  assert.deepEqual(ack.errors, [{ port, code: 'EADDRINUSE' }]);
  holder.close();
  await eventually(() => router.lastAck()?.errors.length === 0);
  assert.equal((await call(`http://127.0.0.1:${port}`)).body, 'mine now');
});

test('a router that starts again serves the last table before anybody tells it anything', async (t) => {
  const first = await startRouter(t);
  const worker = await startWorker(t, (_request, response) => response.end('still here'));
  const port = await ownPort();
  await first.route([web([worker.port]), web([worker.port], { name: 'other', routes: [{ port }] })]);
  await endRouter(first.record);
  const second = await startRouter(t, { stateDirectory: first.settings.stateDirectory });
  assert.notEqual(second.record.pid, first.record.pid);
  assert.equal(second.client.epoch, 1);
  assert.equal((await call(second.url)).body, 'still here');
  assert.equal((await call(`http://127.0.0.1:${port}`)).body, 'still here');
});

test('an agent that comes back finds the running router, which went on without it', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (_request, response) => response.end('ok'));
  await router.route([web([worker.port])]);
  router.client.close();
  assert.equal((await call(router.url)).body, 'ok');
  assert.equal((await launchRouter({ settings: router.settings })).pid, router.record.pid);
  const acks: Acknowledgement[] = [];
  const again = await connectRouter({ socketPath: router.record.socketPath, onAck: (ack) => acks.push(ack) });
  t.after(() => again.close());
  assert.deepEqual([again.epoch, again.pid], [1, router.record.pid]);
  again.requestStatus();
  await eventually(() => acks[0]?.epoch === 1);
});

test('control socket and state are for this user only, and nonsense on the socket changes nothing', async (t) => {
  const router = await startRouter(t);
  const { stateDirectory, socketPath } = router.settings;
  assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  await router.route([web([1])]);
  assert.equal(statSync(join(stateDirectory, 'table.json')).mode & 0o777, 0o600);
  let isClosed = false;
  const other = await connectRouter({ socketPath, onAck: () => {}, onClose: () => (isClosed = true) });
  other.sendTable({ epoch: 9, generation: 'g', services: [{}] } as never);
  await eventually(() => isClosed);
  router.client.requestStatus();
  await eventually(() => router.acks.length === 2);
  assert.equal(router.lastAck()?.epoch, 1);
});

test('SIGTERM lets requests in flight end and takes no new ones; SIGINT and SIGHUP do nothing', async (t) => {
  const router = await startRouter(t);
  const mayAnswer = Promise.withResolvers<void>();
  const worker = await startWorker(t, async (request, response) => {
    if (request.url === '/slow') await mayAnswer.promise;
    response.end('finished');
  });
  await router.route([web([worker.port])]);
  process.kill(router.record.pid, 'SIGINT');
  process.kill(router.record.pid, 'SIGHUP');
  const slow = call(router.url, { path: '/slow' });
  await eventually(async () => (await router.client.stats()).services.web?.inFlight === 1);
  process.kill(router.record.pid, 'SIGTERM');
  await eventually(async () => {
    await assert.rejects(call(router.url), { code: 'ECONNREFUSED' });
    return true;
  });
  mayAnswer.resolve();
  assert.equal((await slow).body, 'finished');
  await eventually(() => !isAlive(router.record));
  assert.match(readFileSync(join(router.settings.stateDirectory, 'router.log'), 'utf8'), /"router.stopped"/);
});

test('a router whose port is taken says so and does not stay', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  t.after(() => holder.close());
  await once(holder, 'listening');
  const listen = `127.0.0.1:${(holder.address() as AddressInfo).port}`;
  await assert.rejects(startRouter(t, { listen }), /ended before it served: .*EADDRINUSE/s);
});
