import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import { eventually } from '../../support/eventually.ts';
import { openGround } from './open-ground.ts';

interface Notification {
  readonly id: string;
  readonly userId: string;
  readonly message: string;
  readonly sentAt: string;
}

/** A client that writes down what it hears. */
interface Client {
  readonly heard: Notification[];
  readonly closedWith: () => number | string | undefined;
  close(): void;
}

const messages = ({ heard }: Client) => heard.map(({ message }) => message);
const user = (userId: string) => `?userId=${userId}`;

async function openPlain(t: TestContext, url: string, query = ''): Promise<Client & { readonly socket: WebSocket }> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/notifications${query}`);
  const heard: Notification[] = [];
  let code: number | undefined;
  socket.on('message', (data) => heard.push(JSON.parse(String(data))));
  socket.on('error', () => {});
  socket.on('close', (closeCode) => {
    code = closeCode;
  });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return { socket, heard, closedWith: () => code, close: () => socket.close() };
}

async function openSocketIo(
  t: TestContext,
  url: string,
  auth: object,
): Promise<Client & { readonly socket: Socket; readonly drained: unknown[] }> {
  const socket: Socket = io(`${url}/notifications`, { transports: ['websocket'], auth, forceNew: true });
  const heard: Notification[] = [];
  const drained: unknown[] = [];
  let reason: string | undefined;
  socket.on('notification', (notification) => heard.push(notification));
  socket.on('drover:drain', (told) => drained.push(told));
  socket.on('disconnect', (why) => {
    reason = why;
  });
  t.after(() => void socket.close());
  await new Promise((resolve) => socket.once('welcome', resolve));
  return { socket, heard, drained, closedWith: () => reason, close: () => void socket.close() };
}

async function send(
  url: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${url}/notifications/send`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Two instances of the service, as on two hosts. */
async function openTwo(t: TestContext, environment: Record<string, string> = {}) {
  const ground = await openGround(t);
  const run = (host: string) => ground.run('notification-service', host, { DRAIN: '500ms', ...environment });
  const [a, b] = await Promise.all([run('host-1'), run('host-2')]);
  return { ...ground, runOn: run, a, b };
}

test('what is sent through one instance reaches every socket of the user, of both kinds, on all instances', async (t) => {
  const { a, b } = await openTwo(t);
  const clients = await Promise.all([
    openPlain(t, a.url, user('ann')),
    openPlain(t, b.url, user('ann')),
    openSocketIo(t, a.url, { userId: 'ann' }),
    openSocketIo(t, b.url, { userId: 'ann' }),
  ]);
  const bob = await openPlain(t, b.url, user('bob'));
  const numbers = Array.from({ length: 20 }, (_, index) => `message ${index}`);
  for (const [index, message] of numbers.entries()) {
    const answer = await send(index % 2 === 0 ? a.url : b.url, { userId: 'ann', message, title: 'Hello' });
    assert.equal(answer.status, 202);
  }
  for (const client of clients) await eventually(() => assert.deepEqual(messages(client), numbers));
  assert.deepEqual(Object.keys(clients[0].heard[0]!).sort(), ['id', 'message', 'sentAt', 'title', 'userId']);
  assert.deepEqual(bob.heard, []);
  await eventually(async () => {
    const { body } = await send(b.url, { id: 'last', userId: 'ann', message: 'last' });
    assert.equal(body.connections, 4);
  });
});
