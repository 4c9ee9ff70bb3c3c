import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientOptions, WebSocket } from 'ws';
import { eventually } from '../../support/eventually.ts';
import { ownPort } from '../../support/own-port.ts';
import type { RunningExample } from '../run-example.ts';
import { ask } from './billing-requests.ts';
import { type GatewayGround, openGatewayGround } from './gateway-ground.ts';
import { messages, openPlain, openSocketIo, send, user } from './notification-clients.ts';
import { bearer, logIn, lookAtMe } from './user-ground.ts';

const cleanUps: (() => void | Promise<void>)[] = [];
const lifetime = { after: (cleanUp: () => void | Promise<void>) => void cleanUps.unshift(cleanUp) };
let ground: GatewayGround;
let gateway: RunningExample;

before(async () => {
  ground = await openGatewayGround(lifetime);
  gateway = await ground.gateway('host-1');
});
after(async () => {
  for (const cleanUp of cleanUps) await cleanUp();
});

interface Client {
  readonly socket: WebSocket;
  /** What has come, the first message aside, which says what the service was asked. */
  readonly heard: { data: Buffer; isBinary: boolean }[];
  readonly asked: { url: string; headers: Record<string, string> };
}

async function open(path: string, options: ClientOptions = {}, base = gateway.url, protocols: string[] = []) {
  const socket = new WebSocket(`${base.replace('http', 'ws')}${path}`, protocols, options);
  lifetime.after(() => socket.terminate());
  const heard: Client['heard'] = [];
  socket.on('message', (data: Buffer, isBinary) => heard.push({ data, isBinary }));
  await once(socket, 'open');
  const first = await eventually(() => heard.shift() ?? false);
  return { socket, heard, asked: JSON.parse(first.data.toString()) } as Client;
}

/** The status that a client gets instead of a WebSocket, and the answer's body. */
async function refusal(path: string, options: ClientOptions = {}, base = gateway.url) {
  const socket = new WebSocket(`${base.replace('http', 'ws')}${path}`, options);
  lifetime.after(() => socket.terminate());
  socket.on('error', () => undefined);
  const [, response] = await once(socket, 'unexpected-response');
  const text = Buffer.concat(await response.toArray()).toString();
  socket.terminate();
  return { status: response.statusCode as number, headers: response.headers, text };
}

test('messages pass in both directions as they are, pings too, and the first one is not lost', async () => {
  const { socket, heard, asked } = await open('/notifications?userId=ann&after=3');
  assert.equal(asked.url, '/notifications?userId=ann&after=3');
  const big = randomBytes(500_000);
  socket.send('text ✓');
  socket.send(big);
  await eventually(() => assert.equal(heard.length, 2));
  assert.deepEqual([heard[0]!.isBinary, heard[0]!.data.toString()], [false, 'text ✓']);
  assert.deepEqual([heard[1]!.isBinary, heard[1]!.data.equals(big)], [true, true]);
  socket.ping('are you there?');
  const [answer] = await once(socket, 'pong');
  assert.equal(answer.toString(), 'are you there?');
  const lines = Array.from({ length: 2000 }, (_, index) => `line ${index}`);
  for (const line of lines) socket.send(line);
  await eventually(() => assert.equal(heard.length, 2 + lines.length));
  assert.deepEqual(
    heard.slice(2).map(({ data }) => data.toString()),
    lines,
  );
});

test('why one side has closed is told to the other', async () => {
  const { arrived } = ground.services['notification-service']!;
  const byService = await open('/socket.io/?EIO=4&transport=websocket');
  byService.socket.send('close');
  const [code, reason] = await once(byService.socket, 'close');
  assert.deepEqual([code, reason.toString()], [4321, 'as asked']);
  const byClient = await open('/notifications');
  byClient.socket.close(4001, 'enough');
  await eventually(() => assert.ok(arrived.includes('close 4001')));
  const dropped = await open('/notifications');
  dropped.socket.terminate();
  await eventually(() => assert.ok(arrived.includes('close 1006')));
});

test('a socket is for the user of its token, which goes no further', async () => {
  const { token, userId } = await logIn(ground.userService.url);
  const { asked } = await open(`/notifications?token=${token}&after=3`, { headers: { 'x-user-id': 'admin' } });
  assert.equal(asked.url, '/notifications?after=3');
  assert.equal(asked.headers['x-user-id'], userId);
  const byHeader = await open('/notifications', { headers: bearer(token) });
  assert.deepEqual([byHeader.asked.headers['x-user-id'], byHeader.asked.headers.authorization], [userId, undefined]);
  const nobody = await open('/notifications', { headers: { 'x-user-id': 'admin' } });
  assert.equal(nobody.asked.headers['x-user-id'], undefined);
  const wrong = await refusal('/notifications?token=nonsense');
  assert.deepEqual([wrong.status, JSON.parse(wrong.text).error], [401, 'TOKEN_INVALID']);
});

test('a socket outlives its token, but not its session; while nobody can look it stays', async () => {
  const watching = await ground.gateway('host-7', { SOCKET_LOOK: '100ms' });
  const brief = await ground.users('host-2', { TOKEN_TTL: '5s' });
  const { token } = await logIn(brief.url, 'eve');
  const byToken = await open(`/notifications?token=${token}`, {}, watching.url);
  const nobody = await open('/notifications', {}, watching.url);
  const closed = once(byToken.socket, 'close');

  ground.redis.pause();
  // Longer than a look takes to give up.
  await sleep(1500);
  ground.redis.resume();
  assert.equal(byToken.socket.readyState, WebSocket.OPEN);

  await eventually(async () => assert.equal((await lookAtMe(brief.url, token)).status, 401), { timeoutMs: 15_000 });
  await sleep(500);
  assert.equal(byToken.socket.readyState, WebSocket.OPEN);

  const later = await logIn(ground.userService.url, 'eve');
  const all = { method: 'DELETE', headers: bearer(later.token) };
  assert.equal((await ask(`${ground.userService.url}/users/sessions`, all)).status, 204);
  assert.equal((await refusal(`/notifications?token=${later.token}`, {}, watching.url)).status, 401);
  const [code, reason] = await closed;
  assert.deepEqual([code, reason.toString()], [4401, 'session ended']);
  const { arrived } = ground.services['notification-service']!;
  await eventually(() => assert.ok(arrived.includes('close 4401')));
  assert.equal(nobody.socket.readyState, WebSocket.OPEN);
});

test('the service chooses the subprotocol', async () => {
  const { socket } = await open('/notifications', {}, gateway.url, ['one', 'two']);
  assert.equal(socket.protocol, 'one');
});

test('a service that refuses a socket is heard, and one that is away is named', async () => {
  assert.equal((await refusal('/notifications?refuse')).status, 401);
  const elsewhere = { 'notification-service': `http://127.0.0.1:${await ownPort()}` };
  const strict = await ground.gateway('host-2', { AUTH: 'required' }, elsewhere);
  const { status, text, headers } = await refusal('/socket.io/?EIO=4&transport=websocket', {}, strict.url);
  assert.deepEqual([status, JSON.parse(text).service, headers['retry-after']], [503, 'notification-service', '1']);
  assert.equal((await refusal('/notifications', {}, strict.url)).status, 401);
  assert.equal((await refusal('/elsewhere')).status, 404);
  const plain = await ask(`${gateway.url}/notifications`);
  assert.deepEqual([plain.status, plain.body.error], [426, 'WEBSOCKET_EXPECTED']);
});

test('what one gateway is asked to send reaches both kinds of clients of another', async () => {
  const real = await ground.run('notification-service', 'host-1');
  const elsewhere = { 'notification-service': real.url };
  const [a, b] = [await ground.gateway('host-4', {}, elsewhere), await ground.gateway('host-5', {}, elsewhere)];
  const clients = [
    await openPlain(lifetime, a.url, user('ann')),
    await openSocketIo(lifetime, a.url, { userId: 'ann' }),
  ];
  const { status } = await send(`${b.url}/api`, { userId: 'ann', message: 'Hello' });
  assert.equal(status, 202);
  for (const client of clients) await eventually(() => assert.deepEqual(messages(client), ['Hello']));
});

test('a socket that a service accepts only after the gateway began to end does not keep it', async () => {
  const ending = await ground.gateway('host-6');
  const { arrived, answerLater } = ground.services['notification-service']!;
  const refused = refusal('/notifications?later=1', {}, ending.url);
  await eventually(() => assert.ok(arrived.includes('upgrade /notifications?later=1')));
  const ended = ending.stop();
  await eventually(() => assert.rejects(() => ending.look()));
  answerLater();
  // Where this took very long the gateway has given the service up, with another 50x.
  assert.ok((await refused).status >= 500);
  assert.deepEqual(await ended, { code: 0, signal: null });
});

test('a gateway that ends closes its sockets one after the other, as a restart', async () => {
  const ending = await ground.gateway('host-3', { SOCKET_DRAIN: '4s' });
  const clients = await Promise.all(Array.from({ length: 4 }, () => open('/notifications', {}, ending.url)));
  const codes = clients.map(({ socket }) => once(socket, 'close').then(([code]) => code as number));
  const ended = ending.stop();
  await Promise.race(codes);
  // The first is gone, and the last works as before.
  const stillOpen = clients.filter(({ socket }) => socket.readyState === WebSocket.OPEN);
  const last = stillOpen.at(-1)!;
  last.socket.send('still here');
  await eventually(() => assert.equal(last.heard.at(-1)?.data.toString(), 'still here'));
  const refused = await refusal('/notifications', {}, ending.url);
  assert.deepEqual([refused.status, JSON.parse(refused.text).error], [503, 'ENDING']);
  assert.deepEqual(await Promise.all(codes), [1012, 1012, 1012, 1012]);
  assert.deepEqual(await ended, { code: 0, signal: null });
});
