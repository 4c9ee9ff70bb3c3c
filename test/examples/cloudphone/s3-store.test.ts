import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { createS3Store } from '../../../examples/cloudphone/app-service/store/s3-store.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { announce, makeContent, openAppGround, sendPart } from './app-service-ground.ts';

const credentials = { AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any' };

test('content whose first bytes come late is written, though the store closes connections that are idle', async (t) => {
  Object.assign(process.env, credentials);
  // Without a word about when it will close them.
  const accept = (answer: ServerResponse) => answer.writeHead(200, { connection: 'keep-alive' }).end();
  const server = createServer((request, answer) => request.resume().on('end', () => accept(answer)));
  Object.assign(server, { keepAliveTimeout: 500, keepAliveTimeoutBuffer: 0 });
  const store = createS3Store(new URL(await listen(t, server)));
  t.after(() => store.close());
  const idle = new Promise<Socket>((resolve) => server.once('connection', resolve));

  await store.write('id/first', Readable.from([Buffer.from('in time')]), 7);
  const late = async function* () {
    const socket = await idle;
    if (!socket.destroyed) await once(socket, 'close');
    yield Buffer.from('late');
  };
  await store.write('id/second', Readable.from(late(), { objectMode: false }), 4);
});

test('a store that hangs up has failed, and the part may be sent again', async (t) => {
  const ground = await openAppGround(t, 'dir');
  const hangingUp = createServer((request) => request.socket.end());
  const STORE = await listen(t, hangingUp);
  const [instance] = await ground.start(1, { ...credentials, STORE });
  const { url } = instance!;
  const content = makeContent(1);
  const { status, body } = await sendPart(url, await announce(url, content), content, 1);
  assert.deepEqual([status, body.error], [503, 'STORE_FAILED']);
});

/** Answers with a bucket of the server, as STORE names it. */
async function listen(t: Lifetime, server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `s3://bucket?endpoint=http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
