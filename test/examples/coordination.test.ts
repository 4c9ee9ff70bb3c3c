import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { io } from 'socket.io-client';
import { loadFile } from '../../cli/file/load-file.ts';
import { createServicesAccess } from '../../controller/services-access.ts';
import { seedBoot } from '../../shared/coordination/lease/seed-boot.ts';
import { silentLogger } from '../../shared/runtime/logger.ts';
import { eventually } from '../support/eventually.ts';
import { ownPort } from '../support/own-port.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { layOutExample, type RunningExample, runExample } from './run-example.ts';

const prefix = 'examples';
const cleanUps: (() => void | Promise<void>)[] = [];
const lifetime = { after: (cleanUp: () => void | Promise<void>) => void cleanUps.unshift(cleanUp) };
let redis: TestRedis;
let directory: string;
/** With the rights that the controllers give to services, and no more. */
let servicesUrl: string;

before(async () => {
  redis = await startRedis(lifetime);
  directory = layOutExample(lifetime, 'coordination');
  await seedBoot(redis.client(), prefix);
  const access = createServicesAccess({
    ...{ redisUrl: redis.url, servicesRedisUrl: undefined, prefix, redisPassword: 'secret' },
    ...{ apiToken: 'unused', logger: silentLogger },
  });
  await access.grant(redis.client());
  assert.ok(access.coordination.redisUrl);
  servicesUrl = access.coordination.redisUrl;
});
after(async () => {
  for (const cleanUp of cleanUps) await cleanUp();
});

/** Two instances, as on two hosts. */
async function runTwo(file: string, more: Readonly<Record<string, string>> = {}) {
  const start = (host: string) =>
    runExample(lifetime, join(directory, file), {
      DROVER_COORDINATION_URL: servicesUrl,
      DROVER_COORDINATION_PREFIX: prefix,
      DROVER_NODE: host,
      DROVER_INSTANCE_ID: `${file}-${host}`,
      ...more,
    });
  return await Promise.all([start('host-1'), start('host-2')]);
}

/** Each ends by itself, with nothing open and nothing said about it. */
async function assertStops(...running: readonly RunningExample[]): Promise<void> {
  for (const example of running) {
    assert.deepEqual(await example.stop(), { code: 0, signal: null }, example.output());
    assert.doesNotMatch(example.output(), /error|warn/i);
  }
}

const withinMs = (ms: number) => ({ signal: AbortSignal.timeout(ms) });

async function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}, method = 'POST') {
  const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

test('the service file deploys every script of the folder, each behind a port of its own', async () => {
  const { services } = await loadFile(directory, { directory });
  const scripts = services.map(({ spec }) => spec.script.replace(/^\.\//, '')).sort();
  const files = readdirSync(directory).filter((name) => /\.(js|cjs|py)$/.test(name) && !name.startsWith('ecosystem'));
  assert.deepEqual(scripts, files.sort());
  const ports = services.flatMap(({ spec }) => spec.routes.map(({ port }) => port));
  assert.equal(new Set(ports).size, scripts.length);
});

test('lock.js packs one order at a time, whichever instance is asked', async () => {
  const [a, b] = await runTwo('lock.js', { DATABASE_FILE: join(directory, 'orders.db'), WORK_MS: '20' });
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) => post(`${(index % 2 === 0 ? a : b).url}/orders/42`, {})),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  assert.equal(new Set(answers.map(({ body }) => body.token)).size, 10, 'no two have the same token');
  assert.equal((await b.look()).packed, 10);
  assert.deepEqual((await b.look()).orders, []);
  await assertStops(a, b);
});

test('election.js has one leader; the next leads when it hands over, stops, or is killed', async () => {
  const [a, b] = await runTwo('election.js', { POLL_MS: '20' });
  const leaderOf = async (...running: readonly RunningExample[]) => {
    const views = await Promise.all(running.map(async (example) => ({ example, view: await example.look() })));
    const leading = views.filter(({ view }) => view.leads);
    assert.ok(leading.length <= 1, 'two lead');
    for (const { view } of views) assert.equal((view.leader as { term: number } | null)?.term, leading[0]?.view.term);
    return leading[0] ?? false;
  };
  const first = await eventually(() => leaderOf(a, b));
  const second = await eventually(async () => {
    // To nobody but itself for as long as the other one, which has just started, does not stand in line.
    await fetch(`${first.example.url}/term`, { method: 'DELETE' });
    const now = await leaderOf(a, b);
    return now !== false && now.example !== first.example && now;
  });
  assert.ok(Number(second.view.term) > Number(first.view.term));
  second.example.child.kill('SIGKILL');
  const third = await eventually(() => leaderOf(first.example), { timeoutMs: 10_000 });
  assert.ok(Number(third.view.term) > Number(second.view.term));
  await assertStops(first.example);
});

test('cron.js runs each tick on one instance, and goes on when that one is killed', async () => {
  const [a, b] = await runTwo('cron.js', { SCHEDULE: '* * * * * *' });
  const ran = () => `${a.output()}\n${b.output()}`.match(/(?<=ran )\S+/g) ?? [];
  // An instance answers before its job is known to Redis.
  await eventually(async () => {
    const { status, body } = await post(`${a.url}/run`, {});
    assert.equal(status, 202, JSON.stringify(body));
  });
  await eventually(() => ran().length >= 3, { timeoutMs: 10_000 });
  b.child.kill('SIGKILL');
  const until = ran().length + 2;
  await eventually(() => ran().length >= until, { timeoutMs: 20_000 });
  assert.equal(new Set(ran()).size, ran().length, 'a tick ran twice');
  const { lastRuns } = (await a.look()) as { lastRuns: { runId: string; outcome: string }[] };
  assert.ok(lastRuns.some(({ outcome }) => outcome === 'succeeded'));
  await assertStops(a);
});

test('callback.js counts an event once, however often and wherever it is delivered', async () => {
  const [a, b] = await runTwo('callback.js', { DATABASE_FILE: join(directory, 'payments.db') });
  const event = { id: 'evt_1', account: 'ada', cents: 100 };
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) => post(`${(index % 2 === 0 ? a : b).url}/hooks/payments`, event)),
  );
  for (const answer of answers) assert.deepEqual(answer, { status: 200, body: { account: 'ada', cents: 100 } });
  assert.deepEqual((await b.look()).balances, { ada: 100 });
  const answered = [await a.look(), await b.look()].map((view) => view.answered as Record<string, number>);
  assert.equal(answered[0]!.processed! + answered[1]!.processed!, 1);
  assert.equal(answered[0]!.replayed! + answered[1]!.replayed!, 29);
  // The row is the truth: what Redis forgets counts once all the same.
  const remembered = await redis.client().keys(`${prefix}:callback:*`);
  assert.notEqual(await redis.client().del(...remembered), 0);
  assert.equal((await post(`${a.url}/hooks/payments`, event)).status, 200);
  assert.deepEqual((await b.look()).balances, { ada: 100 });
  await assertStops(a, b);
});

test('ports.js gives the instances of a host ports of their own, and gives them back', async () => {
  const [adb, webrtc] = [await ownPort(20), await ownPort(20)];
  const more = { DROVER_NODE: 'host-1', ADB_FROM: String(adb), WEBRTC_FROM: String(webrtc), POOL_SIZE: '20' };
  const [a, b] = await runTwo('ports.js', more);
  const views = [await a.look(), await b.look()].map((view) => view.ports as { adb: number[]; webrtc: number[] });
  const all = views.flatMap((ports) => [...ports.adb, ...ports.webrtc]);
  assert.equal(new Set(all).size, 6, 'six different ports');
  for (const port of all) assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /^phone-/);
  await assertStops(a, b);
  await assert.rejects(fetch(`http://127.0.0.1:${all[0]}/`));
});

test('channels.js tells news to all, a job to one, and who is there', async () => {
  const [a, b] = await runTwo('channels.js');
  assert.deepEqual((await post(`${a.url}/news`, { n: 1 })).body, { receivers: 2 });
  await eventually(async () => assert.deepEqual((await b.look()).heard, [{ n: 1 }]));
  for (const id of ['job-1', 'job-2', 'job-2']) await post(`${b.url}/jobs`, { id }, { 'x-id': id });
  const handled = async () => [...((await a.look()).handled as object[]), ...((await b.look()).handled as object[])];
  await eventually(async () => assert.equal((await handled()).length, 2));
  assert.equal(((await a.look()).present as string[]).length, 2);
  await assertStops(b);
  await eventually(async () => assert.equal(((await a.look()).present as string[]).length, 1));
  await assertStops(a);
});

test('socket-io.js passes on what is said to the clients of the other instance, and sends its own away when it stops', async () => {
  const [a, b] = await runTwo('socket-io.js', { DRAIN_MS: '50' });
  const [ada, bob] = [a, b].map(({ url }) => io(url, { transports: ['websocket'], reconnection: false }));
  lifetime.after(() => void [ada, bob].forEach((client) => void client?.close()));
  for (const client of [ada!, bob!]) await client.emitWithAck('join', 'kitchen');
  const said = once(bob as unknown as EventEmitter, 'said', withinMs(20_000));
  ada!.emit('say', 'kitchen', 'dinner is ready');
  assert.equal(((await said)[0] as { words: string }).words, 'dinner is ready');
  const left = once(bob as unknown as EventEmitter, 'disconnect', withinMs(20_000));
  await assertStops(b);
  await left;
  await assertStops(a);
});

test('inbox.cjs requires the SDK from CommonJS, and keeps messages until they are fetched', async () => {
  const [a, b] = await runTwo('inbox.cjs');
  for (const id of ['one', 'one', 'two']) {
    assert.equal((await post(`${a.url}/users/ada/messages`, { text: id }, { 'x-id': id }, 'PUT')).status, 202);
  }
  const { messages } = (await (await fetch(`${b.url}/users/ada/messages`)).json()) as { messages: object[] };
  assert.deepEqual(
    messages.map((entry) => (entry as { message: unknown }).message),
    [{ text: 'one' }, { text: 'two' }],
  );
  const again = (await (await fetch(`${a.url}/users/ada/messages`)).json()) as { messages: object[] };
  assert.deepEqual(again.messages, []);
  await assertStops(a, b);
});
