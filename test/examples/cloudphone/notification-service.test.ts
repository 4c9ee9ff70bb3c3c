import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import { connect } from '../../../sdk/connect.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { messages, type Notification, openPlain, openSocketIo, send, user } from './notification-clients.ts';
import { openGround } from './open-ground.ts';
import { bearer, logIn } from './user-ground.ts';

/** Two instances of the service, as on two hosts. */
async function openTwo(t: Lifetime, environment: Record<string, string> = {}) {
  const ground = await openGround(t);
  const run = (host: string) => ground.run('notification-service', host, { DRAIN: '500ms', ...environment });
  // One after the other: each has a limited time to start, also on a busy machine.
  const a = await run('host-1');
  const b = await run('host-2');
  const drover = connect({ url: ground.redis.url, prefix: ground.prefix, host: 'host-3', identity: 'looks-on' });
  t.after(() => drover.close());
  const presence = drover.presence('notifications');
  /** A client is told that it is connected a moment before it gets what is sent to all connections of its user. */
  const present = (userId: string, connections: number) =>
    eventually(async () => assert.equal((await presence.locate(userId)).length, connections));
  return { ...ground, a, b, present };
}

/** For tests that leave both as they are, each with users of its own. */
const shared = await openTwo({ after });

test('what is sent through one instance reaches every socket of the user, of both kinds, on all instances', async (t) => {
  const { a, b, present } = shared;
  const clients = await Promise.all([
    openPlain(t, a.url, user('ann-everywhere')),
    openPlain(t, b.url, user('ann-everywhere')),
    openSocketIo(t, a.url, { userId: 'ann-everywhere' }),
    openSocketIo(t, b.url, { userId: 'ann-everywhere' }),
  ]);
  const bob = await openPlain(t, b.url, user('bob-everywhere'));
  await present('ann-everywhere', 4);
  const numbers = Array.from({ length: 20 }, (_, index) => `message ${index}`);
  for (const [index, message] of numbers.entries()) {
    const answer = await send(index % 2 === 0 ? a.url : b.url, { userId: 'ann-everywhere', message, title: 'Hello' });
    assert.equal(answer.status, 202);
  }
  for (const client of clients) await eventually(() => assert.deepEqual(messages(client), numbers));
  assert.deepEqual(Object.keys(clients[0].heard[0]!).sort(), ['id', 'message', 'sentAt', 'title', 'userId']);
  assert.deepEqual(bob.heard, []);
  await eventually(async () => {
    const { body } = await send(b.url, { id: 'last', userId: 'ann-everywhere', message: 'last' });
    assert.equal(body.connections, 4);
  });
});

test('who was away gets what was sent meanwhile, in order and once', async (t) => {
  const { a, b, present } = shared;
  const numbers = Array.from({ length: 30 }, (_, index) => `message ${index}`);
  for (const userId of ['ann-away', 'bob-away']) {
    for (const [index, message] of numbers.entries()) {
      const { body } = await send(index % 2 === 0 ? a.url : b.url, { userId, message });
      assert.equal(body.connections, 0);
    }
  }
  const ann = await openPlain(t, b.url, user('ann-away'));
  const bob = await openSocketIo(t, a.url, { userId: 'bob-away' });
  for (const client of [ann, bob]) await eventually(() => assert.deepEqual(messages(client), numbers));
  await send(a.url, { userId: 'ann-away', message: 'and now' });
  await eventually(() => assert.deepEqual(messages(ann), [...numbers, 'and now']));

  // Nothing waits any more: the next connection gets what is new, or what it says it has missed.
  ann.close();
  const next = await openPlain(t, a.url, user('ann-away'));
  const behind = await openPlain(t, b.url, `?userId=ann-away&after=${ann.heard[28]!.id}`);
  await eventually(() => assert.deepEqual(messages(behind), ['message 29', 'and now']));
  await present('ann-away', 2);
  await send(b.url, { userId: 'ann-away', message: 'new' });
  await eventually(() => assert.deepEqual(messages(next), ['new']));
  await eventually(() => assert.deepEqual(messages(behind), ['message 29', 'and now', 'new']));
  const recent = await fetch(`${b.url}/notifications/ann-away?limit=3`).then((answer) => answer.json());
  assert.deepEqual(
    (recent as Notification[]).map(({ message }) => message),
    ['new', 'and now', 'message 29'],
  );
});

test('a notification that is sent again with its id is the same one', async (t) => {
  const { a, b } = shared;
  const note = { id: 'order-1:paid', userId: 'ann-again', message: 'Paid' };
  const answers = await Promise.all([a, b, a, b, a, b].map(({ url }) => send(url, note)));
  assert.equal(answers.filter(({ body }) => body.isNew).length, 1);
  const ann = await openPlain(t, a.url, user('ann-again'));
  await eventually(() => assert.deepEqual(messages(ann), ['Paid']));
  assert.equal((await send(b.url, { ...note, message: 'Paid again' })).body.isNew, false);
  await send(b.url, { userId: 'ann-again', message: 'end' });
  await eventually(() => assert.deepEqual(messages(ann), ['Paid', 'end']));
});

test('an instance that is killed while notifications are sent loses none of them', async (t) => {
  const { a, b } = await openTwo(t);
  const ids = Array.from({ length: 120 }, (_, index) => `n-${index}`);
  const before = await openPlain(t, a.url, user('ann'));
  const waitingBefore = await openSocketIo(t, a.url, { userId: 'bob' });
  const sending = (async () => {
    for (const id of ids) {
      for (const userId of ['ann', 'bob']) {
        const note = { id, userId, message: id };
        // As any client of a service does that may be replaced: again, elsewhere, with the same id.
        const answer = await send(Number(id.slice(2)) % 2 === 0 ? a.url : b.url, note).catch(() => send(b.url, note));
        assert.equal(answer.status, 202);
      }
    }
  })();
  await eventually(() => assert.ok(before.heard.length > 40));
  a.child.kill('SIGKILL');
  await eventually(() => assert.notEqual(before.closedWith(), undefined));
  waitingBefore.close();
  const after = await openPlain(t, b.url, `?userId=ann&after=${before.heard.at(-1)!.id}`);
  const bobAgain = await openSocketIo(t, b.url, { userId: 'bob', after: waitingBefore.heard.at(-1)!.id });
  await sending;
  for (const clients of [
    [before, after],
    [waitingBefore, bobAgain],
  ]) {
    const heard = () => [...new Set(clients.flatMap((client) => client.heard.map(({ id }) => id)))];
    await eventually(() => assert.deepEqual(heard(), ids));
  }
});

test('a client that does not read is cut off, and gets what it has not read when it comes back', async (t) => {
  const { a, b } = await openTwo(t, { CLIENT_TIMEOUT: '2s' });
  const ann = await openPlain(t, a.url, user('ann'));
  const bob = await openSocketIo(t, a.url, { userId: 'bob' });
  ann.socket.pause();
  (bob.socket.io.engine.transport as unknown as { ws: WebSocket }).ws.pause();
  for (const userId of ['ann', 'bob']) await send(b.url, { userId, message: 'Hello' });
  await eventually(
    async () => {
      const { body } = await send(b.url, { id: 'probe', userId: 'ann', message: 'probe' });
      assert.equal(body.connections, 0);
    },
    { timeoutMs: 20_000 },
  );
  const annAgain = await openPlain(t, b.url, user('ann'));
  const bobAgain = await openSocketIo(t, b.url, { userId: 'bob' });
  await eventually(() => assert.deepEqual(messages(annAgain), ['Hello', 'probe']));
  await eventually(() => assert.deepEqual(messages(bobAgain), ['Hello']));
});

test('what is sent while the messages between instances get lost arrives all the same', async (t) => {
  const { a, b, redis } = shared;
  const clients = [await openPlain(t, a.url, user('ann-gaps')), await openSocketIo(t, a.url, { userId: 'ann-gaps' })];
  const ids = Array.from({ length: 60 }, (_, index) => `n-${index}`);
  const cutter = redis.client();
  for (const id of ids) {
    if (Number(id.slice(2)) % 10 === 0) await cutter.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    assert.equal((await send(b.url, { id, userId: 'ann-gaps', message: id })).status, 202);
  }
  for (const client of clients) await eventually(() => assert.deepEqual(messages(client), ids));
});

test('what could not be kept for those who are away is not taken, and reaches who connects between two tries', async (t) => {
  const { a, b, redis } = await openTwo(t);
  const note = { id: 'twice', userId: 'ann', message: 'Hello' };
  // The history can be written then, and the inbox cannot.
  await redis.client().acl('SETUSER', 'cloudphone', '-xadd');
  const refused = await send(a.url, note);
  assert.deepEqual([refused.status, refused.body.error], [503, 'STORE_UNREACHABLE']);
  const ann = await openPlain(t, b.url, user('ann'));
  await redis.client().acl('SETUSER', 'cloudphone', '+xadd');
  const taken = await send(a.url, note);
  assert.deepEqual([taken.status, taken.body.isNew], [202, false]);
  await eventually(() => assert.deepEqual(messages(ann), ['Hello']));
});

test('while Redis is away nothing is taken, and afterwards all goes on with the same connections', async (t) => {
  const { a, b, redis } = await openTwo(t);
  const ann = await openPlain(t, a.url, user('ann'));
  await send(b.url, { id: '1', userId: 'ann', message: 'one' });
  await eventually(() => assert.deepEqual(messages(ann), ['one']));
  await redis.kill();
  const refused = await send(b.url, { id: '2', userId: 'ann', message: 'two' });
  assert.deepEqual([refused.status, refused.body.error], [503, 'STORE_UNREACHABLE']);
  assert.equal((await fetch(`${a.url}/health`)).status, 200);
  // Without its data and without the user of the services, until somebody makes it anew.
  await redis.restart();
  await redis
    .client()
    .acl('SETUSER', 'cloudphone', 'reset', 'on', '>secret', '~cloudphone:*', '&cloudphone:*', '+@all');
  await eventually(
    async () => assert.equal((await send(b.url, { id: '2', userId: 'ann', message: 'two' })).status, 202),
    {
      timeoutMs: 15_000,
    },
  );
  await eventually(() => assert.deepEqual(messages(ann), ['one', 'two']), { timeoutMs: 15_000 });
});

test('an instance that is stopped sends its clients elsewhere, a few at a time', async (t) => {
  const { a, b } = await openTwo(t, { DRAIN: '4s' });
  const plain = await Promise.all(Array.from({ length: 50 }, () => openPlain(t, a.url, user('ann'))));
  const socketIo = await openSocketIo(t, a.url, { userId: 'ann' });
  const open = () => plain.filter(({ closedWith }) => closedWith() === undefined);
  const served = new Set<WebSocket>();
  for (const { socket } of plain) socket.on('pong', () => served.add(socket));
  const stopped = a.stop();
  await Promise.race(plain.map(({ socket }) => once(socket, 'close')));
  // Batches of twenty: the others are still served.
  for (const { socket } of open()) socket.ping();
  // Sent while they are on their way: kept, and given where they come to.
  await send(b.url, { userId: 'ann', message: 'meanwhile' });
  assert.deepEqual(await stopped, { code: 0, signal: null });
  await eventually(() => assert.deepEqual(open(), []));
  assert.deepEqual([...new Set(plain.map(({ closedWith }) => closedWith()))], [1012]);
  assert.ok(served.size >= 10, `${served.size} were served after the first had been closed`);
  assert.deepEqual(socketIo.drained, [{ withinMs: 4000 }]);
  await eventually(() => assert.equal(socketIo.closedWith(), 'transport close'));
  const last = await openPlain(t, b.url, `?userId=ann&after=none-of-ours`);
  await eventually(() => assert.deepEqual(messages(last), ['meanwhile']));
});

test('while developing, a client without a user sees what is sent to anybody', async (t) => {
  const { a, b } = shared;
  const clients = [await openPlain(t, a.url), await openSocketIo(t, a.url, {})];
  await send(b.url, { userId: 'test', message: 'Hello' });
  await send(a.url, { userId: 'other', message: 'Hello you' });
  for (const client of clients) await eventually(() => assert.deepEqual(messages(client), ['Hello', 'Hello you']));
});

/** The status of a WebSocket that is refused before it is one; 101 of one that is not. */
async function refusal(url: string, query: string, headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/notifications${query}`, { headers });
  socket.on('error', () => {});
  const answer = Promise.withResolvers<number>();
  socket.once('open', () => answer.resolve(101));
  socket.once('unexpected-response', (_request, { statusCode = 0 }) => answer.resolve(statusCode));
  try {
    return await answer.promise;
  } finally {
    socket.terminate();
  }
}

test('where users have to log in, nobody hears what is meant for others', async (t) => {
  const { a, b, run } = await openTwo(t, { AUTH: 'required', CLIENT_TIMEOUT: '3s' });
  const users = await run('user-service', 'host-1', { DATABASE_URL: `sqlite:${join(tempDirectory(t), 'users.db')}` });
  const ann = await logIn(users.url, 'ann');
  const bob = await logIn(users.url, 'bob');
  assert.equal(await refusal(a.url, ''), 401);
  assert.equal(await refusal(a.url, user(ann.userId)), 401);
  assert.equal(await refusal(a.url, '?token=wrong'), 401);
  assert.equal(await refusal(a.url, '', { authorization: 'Bearer wrong' }), 401);
  assert.equal(await refusal(a.url, `?userId=${bob.userId}&token=${ann.token}`), 403);
  const stranger: Socket = io(`${a.url}/notifications`, { transports: ['websocket'], forceNew: true });
  t.after(() => void stranger.close());
  const refused = await new Promise<Error>((resolve) => stranger.once('connect_error', resolve));
  assert.deepEqual((refused as Error & { data?: { error: string } }).data?.error, 'USER_REQUIRED');

  const clients = await Promise.all([
    openPlain(t, a.url, `?token=${ann.token}`),
    openSocketIo(t, a.url, { token: ann.token }),
  ]);
  assert.equal((await send(b.url, { userId: ann.userId, message: 'from a service' })).status, 202);
  const own = { userId: ann.userId, message: 'from herself' };
  assert.equal((await send(b.url, own, bearer(ann.token))).status, 202);
  assert.equal((await send(b.url, own, bearer(bob.token))).status, 403);
  assert.equal((await send(b.url, own, { 'x-user-id': bob.userId })).status, 403);
  assert.equal((await send(b.url, own, bearer('wrong'))).status, 401);
  for (const client of clients) {
    await eventually(() => assert.deepEqual(messages(client), ['from a service', 'from herself']));
  }
  const recent = (headers: Record<string, string>) => fetch(`${a.url}/notifications/${ann.userId}`, { headers });
  assert.equal((await recent({})).status, 401);
  assert.equal((await recent(bearer(bob.token))).status, 403);
  assert.equal((await recent({ 'x-user-id': ann.userId })).status, 200);

  // Her session is ended while her sockets are open.
  const ended = await fetch(`${users.url}/users/sessions`, { method: 'DELETE', headers: bearer(ann.token) });
  assert.equal(ended.status, 204);
  await eventually(
    () =>
      assert.deepEqual(
        clients.map(({ closedWith }) => closedWith()),
        [4401, 'transport close'],
      ),
    {
      timeoutMs: 15_000,
    },
  );
});

test('input that does not fit is refused with the field, the reason and what is allowed', async (t) => {
  const { url } = shared.a;
  for (const [body, field] of [
    [{ userId: 'ann' }, 'message'],
    [{ userId: 'ann', message: 'x'.repeat(4001) }, 'message'],
    [{ userId: 'no spaces', message: 'x' }, 'userId'],
    [{ id: '', userId: 'ann', message: 'x' }, 'id'],
    [{ userId: 'ann', message: 'x', title: 7 }, 'title'],
    // Half a character: neither the script of the history nor the inbox can read it.
    [{ id: 'half-\ud800', userId: 'ann', message: 'x' }, 'id'],
    [{ userId: 'ann', message: 'half \ud800' }, 'message'],
    [{ userId: 'ann', message: 'x', title: 'half \ud800' }, 'title'],
  ] as const) {
    const answer = await send(url, body);
    assert.equal(answer.status, 400);
    const [issue] = answer.body.issues as { field: string; reason: string; allowed: string }[];
    assert.equal(issue!.field, field);
    assert.ok(issue!.reason && issue!.allowed);
  }
  assert.equal((await send(url, { userId: 'ann', message: 'x', filler: 'x'.repeat(40_000) })).status, 413);
  assert.equal(await refusal(url, '?userId=no%20spaces'), 400);
  const talker = await openPlain(t, url, user('ann'));
  talker.socket.send('x'.repeat(20_000));
  await eventually(() => assert.equal(talker.closedWith(), 1009));
});
