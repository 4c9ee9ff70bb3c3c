import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChannels } from '../../../shared/coordination/channel/create-channels.ts';
import { eventually } from '../../support/eventually.ts';
import { buildTestApp } from './build-test-app.ts';

test('a message published over HTTP reaches the subscribers of a topic, and the answer says how many', async (t) => {
  const { asService, services } = await buildTestApp(t);
  const heard: unknown[] = [];
  const channels = createChannels(services);
  await channels.topic('orders').subscribe((message) => heard.push(message)).ready;
  const { status, json } = await asService('POST', '/v1/channels/orders/messages', {
    ...{ kind: 'topic', message: { order: 42 } },
  });
  assert.deepEqual({ status, json }, { status: 202, json: { id: null, receivers: 1 } });
  await eventually(() => assert.deepEqual(heard, [{ order: 42 }]));
  const { json: list } = await asService('GET', '/v1/channels?match=ord');
  assert.partialDeepStrictEqual(list, [{ name: 'orders', kind: 'topic', subscribers: 1 }]);
});

test('a topic is followed over HTTP from the head of the answer on', async (t) => {
  const { app, token, services } = await buildTestApp(t);
  const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/v1/channels/orders/messages`;
  const { request } = await import('node:https');
  const heard: string[] = [];
  const outgoing = request(url, { headers: { authorization: `Bearer ${token}` }, rejectUnauthorized: false });
  t.after(() => outgoing.destroy());
  const response = Promise.withResolvers<void>();
  outgoing.on('error', () => {});
  outgoing.on('response', (incoming) => {
    incoming.setEncoding('utf8').on('data', (text: string) => heard.push(text));
    incoming.on('error', () => {});
    response.resolve();
  });
  outgoing.end();
  await response.promise;
  await createChannels(services).topic('orders').publish({ order: 42 });
  await eventually(() => assert.match(heard.join(''), /data: \{"message":\{"order":42\},"gap":false\}/));
});

test('messages of a stream are taken by one of a group, again until they are acknowledged, and published once by id', async (t) => {
  const { asService } = await buildTestApp(t);
  const path = '/v1/channels/mails';
  const read = async (consumer: string) =>
    (await asService('POST', `${path}/groups/senders/read`, { consumer, visibilityMs: 3000 })).json as {
      id: string;
      deliveries: number;
    }[];
  assert.deepEqual(await read('py/1'), []);
  const message = { kind: 'stream', message: { to: 'a@b' }, id: 'mail-1' };
  const { json: first } = await asService('POST', `${path}/messages`, message);
  const { json: again } = await asService('POST', `${path}/messages`, message);
  assert.deepEqual(again, first, 'the second is dropped');
  const taken = await read('py/1');
  assert.partialDeepStrictEqual(taken, [{ deliveries: 1, message: { to: 'a@b' } }]);
  assert.deepEqual(await read('py/2'), [], 'another has it');
  const retaken = await eventually(
    async () => {
      const found = await read('py/2');
      return found.length > 0 && found;
    },
    { timeoutMs: 15_000 },
  );
  assert.equal(retaken[0]!.deliveries, 2, 'py/1 was silent for too long');
  const acknowledged = { ids: [retaken[0]!.id] };
  const { json } = await asService('POST', `${path}/groups/senders/acknowledge`, acknowledged);
  assert.deepEqual(json, { acknowledged: 1 });
});

test('members are listed with where they are, and get a message wherever that is', async (t) => {
  const { asService, services } = await buildTestApp(t);
  const heard: unknown[] = [];
  const line = createChannels(services)
    .direct('users')
    .onMessage('alice', (message) => heard.push(message));
  await line.ready;
  const { json: members } = await asService('GET', '/v1/channels/users/members');
  assert.partialDeepStrictEqual(members, [{ member: 'alice', identity: 'controller-test' }]);
  const send = (member: string) =>
    asService('POST', `/v1/channels/users/members/${member}/messages`, { message: 'hi' });
  assert.deepEqual((await send('alice')).json, { delivered: 1 });
  assert.deepEqual((await send('bob')).json, { delivered: 0 });
  await eventually(() => assert.deepEqual(heard, ['hi']));
});
