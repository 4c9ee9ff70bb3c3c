import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { glob, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { processesOf } from '../../scripts/cluster/host-processes.ts';
import { runDrover } from '../../scripts/cluster/run-drover.ts';
import { type Answer, askOnce, type Question } from '../../scripts/verify/ask.ts';
import { followBySocketIo, followByWebSocket } from '../../scripts/verify/follow-notifications.ts';
import { type Account, openAccount, signatureOf } from '../../scripts/verify/open-account.ts';
import { type ServiceName, serviceNames } from '../../scripts/verify/platform.ts';
import type { VerificationResult } from '../../scripts/verify/verification.ts';
import { eventually } from '../support/eventually.ts';
import { skipWithoutPostgres } from '../support/postgres.ts';
import { assertAllKept } from './open-cloudphone.ts';
import { openProduction, productionFile, secrets } from './open-production.ts';

const verifyProgram = fileURLToPath(new URL('../../scripts/verify.ts', import.meta.url));
const examples = fileURLToPath(new URL('../../examples/cloudphone', import.meta.url));

const holders: Record<keyof typeof secrets, readonly ServiceName[]> = {
  DATABASE_URL: ['user-service', 'device-service', 'app-service', 'billing-service'],
  TOKEN_SECRET: ['user-service'],
  PAYMENT_SECRET: ['billing-service'],
  AWS_SECRET_ACCESS_KEY: ['app-service'],
};

/** Of the verification list: what is done in the name of users. Another file has the whole of it, during a deploy. */
const ofUsers = ['device-ports', 'payment', 'notifications'];

const partBytes = 5 * 1024 * 1024;
const parts = 9;
const amount = 250;

test('the production file keeps its promises on three hosts', { skip: skipWithoutPostgres }, async (t) => {
  const { platform, deployer, bucket } = await openProduction(t);
  const gateway = platform.url('api-gateway');
  const open = (name: string) => openAccount(name, { platform, ask: askOnce });
  const [ann, bob] = [await open('ann'), await open('bob')] as const;
  const order = async ({ userId, headers }: Account) => {
    const json = { userId, planId: 'basic', amount };
    return String((await expect(201, `${gateway}/api/billing/orders`, { json, headers })).body.id);
  };
  const balanceOf = async ({ userId, headers }: Account) =>
    (await expect(200, `${gateway}/api/billing/users/${userId}/balance`, { headers })).body.balance;
  const webhook = `${platform.url('billing-service')}/webhooks/payment`;

  await t.test('without a token nobody is answered who wants something of a user', async () => {
    assert.equal(platform.mustLogIn, true);
    const id = randomUUID();
    const ofSelf = ['GET /me', 'GET /sessions', 'DELETE /sessions', 'POST /logout', 'POST /token'];
    const ofDevices = ['GET ', 'POST ', `GET /${id}`, `DELETE /${id}`];
    const upload = [`GET /${id}`, `PUT /${id}/parts/1`, `POST /${id}/complete`, `DELETE /${id}`];
    const ofApps = ['GET ', `GET /${id}`, `GET /${id}/content`, `DELETE /${id}`];
    const ofOrder = [`GET /${id}`, `POST /${id}/cancel`, `POST /${id}/refund`];
    const ofBalance = [`GET /${id}/balance`, `GET /${id}/ledger`];
    const atGateway = [
      ...below('/api/users', ofSelf),
      ...below('/api/devices', ofDevices),
      ...below('/api/uploads', ['POST ', ...upload]),
      ...below('/api/apps', ofApps),
      ...below('/api/billing/orders', ['GET ', 'POST ', ...ofOrder]),
      ...below('/api/billing/users', ofBalance),
      ...below('/api/billing', ['GET /refunds-due']),
      ...below('/api/notifications', ['POST /send', `GET /${id}`]),
    ];
    const pretences = [{}, { 'x-user-id': ann.userId }, { authorization: `Bearer ${ann.token}x` }];
    for (const [method, path] of atGateway) {
      for (const headers of pretences) await expect(401, `${gateway}${path}`, { method, headers });
    }
    const direct: [ServiceName, [string, string][]][] = [
      ['user-service', below('/users', ofSelf)],
      ['device-service', below('/devices', ofDevices)],
      ['app-service', below('/uploads', upload)],
      ['billing-service', [...below('/orders', ofOrder), ...below('/users', ofBalance)]],
      ['notification-service', below('/notifications', [`GET /${id}`])],
    ];
    for (const [service, paths] of direct) {
      for (const [method, path] of paths) await expect(401, `${platform.url(service)}${path}`, { method });
    }
  });

  await t.test('what is of a user is refused to another, whoever he says he is', async () => {
    const device = await expect(201, `${gateway}/api/devices`, { json: { name: 'phone' }, headers: ann.headers });
    const orderId = await order(ann);
    const { headers } = bob;
    for (const asBob of [headers, { ...headers, 'x-user-id': ann.userId }]) {
      const ask = (status: number, path: string, question: Question = {}) =>
        expect(status, `${gateway}/api${path}`, { ...question, headers: asBob });
      await ask(404, `/devices/${device.body.id}`);
      await ask(404, `/devices/${device.body.id}`, { method: 'DELETE' });
      await ask(403, `/devices?userId=${ann.userId}`);
      assert.deepEqual((await ask(200, '/devices')).body.devices, []);
      await ask(403, '/devices', { json: { userId: ann.userId, name: 'phone' } });
      await ask(404, `/billing/orders/${orderId}`);
      await ask(404, `/billing/orders/${orderId}/cancel`, { method: 'POST' });
      await ask(403, '/billing/orders', { json: { userId: ann.userId, planId: 'basic', amount } });
      await ask(403, `/billing/orders?userId=${ann.userId}`);
      await ask(403, `/billing/users/${ann.userId}/balance`);
      await ask(403, '/billing/refunds-due');
      await ask(403, `/notifications/${ann.userId}`);
      await ask(403, '/notifications/send', { json: { userId: ann.userId, message: 'hello' } });
    }
    await expect(200, `${gateway}/api/devices/${device.body.id}`, { headers: ann.headers });
    const { body } = await expect(200, `${gateway}/api/billing/orders/${orderId}`, { headers: ann.headers });
    assert.equal(body.status, 'PENDING');
  });

  await t.test('a callback counts when the payment provider has signed it, and once', async () => {
    const before = await balanceOf(ann);
    const form = { orderId: await order(ann), status: 'paid' };
    const stolen = signatureOf({ ...form, orderId: await order(ann) }, platform);
    for (const headers of [{}, stolen, signatureOf(form, { ...platform, paymentSecret: 'development' })]) {
      assert.equal((await expect(401, webhook, { form, headers })).body.error, 'SIGNATURE_WRONG');
    }
    assert.equal(await balanceOf(ann), before);

    const instances = await platform.instances('billing-service');
    assert.equal(instances.length, 2);
    const targets = [webhook, ...instances.map(({ url }) => `${url}/webhooks/payment`)];
    const headers = signatureOf(form, platform);
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => expect(200, targets[index % targets.length]!, { form, headers })),
    );
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    assert.equal(await balanceOf(ann), Number(before) + amount);
  });

  await t.test('a notification reaches the sockets of its user, and nobody comes in without a token', async () => {
    const service = platform.url('notification-service');
    for (const base of [gateway, service]) {
      for (const query of ['', `?userId=${ann.userId}`, `?token=${ann.token}x`]) {
        assert.equal(await refusalOfWebSocket(`${base}/notifications${query}`), 401, `${base} ${query}`);
      }
      for (const auth of [{}, { userId: ann.userId }, { token: `${ann.token}x` }]) {
        assert.equal(await refusalOfSocketIo(base, auth), 401, `${base} ${JSON.stringify(Object.keys(auth))}`);
      }
    }
    const followers = [
      ...(await Promise.all([gateway, service].map((base) => followByWebSocket(base, ann)))),
      ...(await Promise.all([gateway, service].map((base) => followBySocketIo(base, ann)))),
    ];
    const stranger = await followByWebSocket(gateway, bob);
    try {
      const form = { orderId: await order(ann), status: 'paid' };
      await expect(200, webhook, { form, headers: signatureOf(form, platform) });
      const isAbout = ({ message }: { message: string }) => message.includes(form.orderId);
      await eventually(() => followers.every(({ heard }) => heard.some(isAbout)), { timeoutMs: 20_000 });
      assert.deepEqual(stranger.heard, []);
    } finally {
      for (const { close } of [...followers, stranger]) close();
    }
  });

  await t.test('a large upload in parts over all instances is one object in S3, and comes back whole', async (t) => {
    const content = randomBytes(partBytes * parts - 1_000);
    const sha256 = digestOf(content);
    const { headers } = ann;
    const json = { name: 'game.apk', sizeBytes: content.length, sha256, partBytes };
    const { id } = (await expect(201, `${gateway}/api/uploads`, { json, headers })).body;
    const gateways = await platform.instances('api-gateway');
    const services = await platform.instances('app-service');
    assert.equal(gateways.length + services.length, 6);
    const doors = [...gateways.map(({ url }) => `${url}/api/uploads`), ...services.map(({ url }) => `${url}/uploads`)];
    const part = (index: number) => content.subarray(index * partBytes, (index + 1) * partBytes);
    await Promise.all(
      Array.from({ length: parts }, (_, index) =>
        expect(200, `${doors[index % doors.length]}/${id}/parts/${index + 1}`, { bytes: part(index), headers }),
      ),
    );
    await expect(404, `${gateway}/api/uploads/${id}`, { headers: bob.headers });
    await expect(200, `${gateway}/api/uploads/${id}/complete`, { method: 'POST', headers });
    for (const door of [`${gateway}/api`, ...services.map(({ url }) => url)]) {
      const response = await fetch(`${door}/apps/${id}/content`, { headers: bob.headers });
      assert.equal(digestOf(Buffer.from(await response.arrayBuffer())), sha256, door);
    }
    const objects: string[] = [];
    for await (const name of glob(`**/${id}/*._S3rver_object`, { cwd: bucket })) objects.push(name);
    assert.equal(objects.length, 1, objects.join());
    assert.equal(digestOf(await readFile(join(bucket, objects[0]!))), sha256);
    t.diagnostic(`${content.length} bytes in ${parts} parts through ${doors.length} instances`);
    await expect(403, `${gateway}/api/apps/${id}`, { method: 'DELETE', headers: bob.headers });
    await expect(204, `${gateway}/api/apps/${id}`, { method: 'DELETE', headers });
  });

  await t.test('sessions that are ended are refused by all four gateways', async () => {
    const json = { username: 'eve', password: randomUUID() };
    await expect(201, `${gateway}/api/users/register`, { json });
    const logIn = async () => String((await expect(200, `${gateway}/api/users/login`, { json })).body.token);
    const tokens = [await logIn(), await logIn()];
    const gateways = await platform.instances('api-gateway');
    assert.equal(gateways.length, 4);
    const everywhere = async (status: number) => {
      for (const token of tokens) {
        const headers = { authorization: `Bearer ${token}` };
        for (const { url } of gateways) {
          for (const path of ['users/me', 'devices', 'billing/orders']) {
            await expect(status, `${url}/api/${path}`, { headers });
          }
        }
      }
    };
    await everywhere(200);
    const headers = { authorization: `Bearer ${tokens[0]}` };
    await expect(204, `${gateway}/api/users/sessions`, { method: 'DELETE', headers });
    await everywhere(401);
  });

  await t.test('npm run verify looks at it as users who have logged in', async (t) => {
    const env = { ...process.env, ...platform.env };
    const args = [verifyProgram, '--against', gateway, '--only', ofUsers.join(), '--devices', '6', '--json'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    const results = JSON.parse(stdout) as VerificationResult[];
    assert.equal(results.length, ofUsers.length);
    for (const result of results) assertAllKept(t, result);
    assert.ok(!stdout.includes(secrets.PAYMENT_SECRET));
  });

  await t.test('a secret is with the services that need it, and nowhere else', async (t) => {
    // Whoever comes with another secret is told that it has changed.
    const planned = { ...platform.env, ...deployer, PLATFORM_PORT: new URL(gateway).port, TOKEN_SECRET: randomUUID() };
    const plan = await runDrover(['plan', join(examples, productionFile)], { env: planned });
    assert.match(plan.stdout, /env\.TOKEN_SECRET: \(hidden\)/);
    const commands = ['ls', 'events', 'node ls', 'cron ls', 'lock ls', 'port ls', 'logs --lines 10000'];
    const texts = new Map([['plan', plan.stdout + plan.stderr]]);
    for (const command of [...commands, ...serviceNames.map((service) => `describe ${service}`)]) {
      const { code, stdout, stderr } = await runDrover(command.split(' '), { env: { ...platform.cluster.env } });
      assert.equal(code, 0, `drover ${command}: ${stderr}`);
      texts.set(`drover ${command}`, stdout + stderr);
    }
    assert.match(texts.get('drover logs --lines 10000')!, /Allocated ports/);
    for await (const file of glob(['*.log', 'host-*/logs/**/*.log*'], { cwd: platform.cluster.directory })) {
      texts.set(file, await readFile(join(platform.cluster.directory, file), 'utf8'));
    }
    for (const pid of await pidsOfThisMachine()) texts.set(`arguments of ${pid}`, await readProcess(pid, 'cmdline'));
    const told = { ...secrets, 'the token of a user': ann.token!, 'the other token': planned.TOKEN_SECRET };
    for (const [where, text] of texts) {
      for (const [name, secret] of Object.entries(told)) assert.ok(!text.includes(secret), `${name} is in: ${where}`);
    }

    const found = Object.fromEntries(Object.keys(secrets).map((name) => [name, new Set<string>()]));
    const pids = (await Promise.all(platform.cluster.agents.map(processesOf))).flat();
    for (const pid of pids) {
      const environment = await readProcess(pid, 'environ');
      const service = /(?:^|\0)DROVER_SERVICE=([^\0]*)/.exec(environment)?.[1];
      for (const [name, secret] of Object.entries(secrets)) {
        if (environment.includes(secret)) found[name]!.add(service ?? (await readProcess(pid, 'cmdline')));
      }
    }
    t.diagnostic(`${texts.size} texts and the environments of ${pids.length} processes were looked at`);
    for (const [name, services] of Object.entries(holders)) {
      assert.deepEqual([...found[name]!].sort(), [...services].sort(), name);
    }
  });
});

/** The paths below one, from "METHOD rest". */
function below(path: string, lines: readonly string[]): [method: string, path: string][] {
  return lines.map((line) => {
    const [method, rest] = line.split(' ') as [string, string];
    return [method, `${path}${rest}`];
  });
}

async function expect(status: number, url: string, question: Question = {}): Promise<Answer> {
  const answer = await askOnce(url, question);
  const { pathname } = new URL(url);
  assert.equal(answer.status, status, `${question.method ?? ''} ${pathname}: ${answer.text.slice(0, 300)}`);
  return answer;
}

/** The status with which a WebSocket is refused; 101 when it is not. */
async function refusalOfWebSocket(url: string): Promise<number | undefined> {
  const socket = new WebSocket(url.replace('http', 'ws'));
  const answer = Promise.withResolvers<number | undefined>();
  socket.once('unexpected-response', (_request, response) => answer.resolve(response.statusCode));
  socket.once('open', () => answer.resolve(101));
  socket.on('error', answer.reject);
  try {
    return await answer.promise;
  } finally {
    socket.terminate();
  }
}

async function refusalOfSocketIo(base: string, auth: object): Promise<number | undefined> {
  const socket = io(`${base}/notifications`, { transports: ['websocket'], forceNew: true, reconnection: false, auth });
  const answer = Promise.withResolvers<number | undefined>();
  socket.once('connect_error', (error: Error & { data?: { status: number } }) =>
    error.data === undefined ? answer.reject(error) : answer.resolve(error.data.status),
  );
  socket.once('connect', () => answer.resolve(101));
  try {
    return await answer.promise;
  } finally {
    socket.close();
  }
}

function digestOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

async function pidsOfThisMachine(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

async function readProcess(pid: number, what: 'cmdline' | 'environ'): Promise<string> {
  return await readFile(`/proc/${pid}/${what}`, 'utf8').catch(() => '');
}
