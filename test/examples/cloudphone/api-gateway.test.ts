import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { after, before, test } from 'node:test';
import { endpoint, startRouter } from '../../agent/router/router-process.ts';
import { eventually } from '../../support/eventually.ts';
import { ownPort } from '../../support/own-port.ts';
import type { RunningExample } from '../run-example.ts';
import { ask, post } from './billing-requests.ts';
import { type GatewayGround, openGatewayGround } from './gateway-ground.ts';
import { bearer, logIn, lookAtMe } from './user-ground.ts';

const cleanUps: (() => void | Promise<void>)[] = [];
const lifetime = { after: (cleanUp: () => void | Promise<void>) => void cleanUps.unshift(cleanUp) };
let ground: GatewayGround;
/** As in development, and behind a router, which is this test. */
let a: RunningExample;
let b: RunningExample;
/** As in production. */
let strict: RunningExample;

before(async () => {
  ground = await openGatewayGround(lifetime);
  const away = { 'device-service': `http://127.0.0.1:${await ownPort()}` };
  // One after the other: each has its own time to start on a busy machine.
  const settings = { UPSTREAM_TIMEOUT: '2s', RATE_LIMIT: '500' };
  a = await ground.gateway('host-1', settings);
  b = await ground.gateway('host-2', settings);
  strict = await ground.gateway('host-3', { AUTH: 'required' }, away);
});
after(async () => {
  for (const cleanUp of cleanUps) await cleanUp();
});

/** As `fetch`, with the headers that it does not let anyone set. */
async function send(
  url: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: Buffer } = {},
) {
  const request = httpRequest(url, { method, headers }).end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const text = Buffer.concat(await response.toArray()).toString();
  return { status: response.statusCode, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

test('each path goes to its service, and to the right place there', async () => {
  const table = {
    '/api/devices': 'device-service /devices',
    '/api/devices/7?x=1&y=%20': 'device-service /devices/7?x=1&y=%20',
    '/api/uploads/u/parts/2': 'app-service /uploads/u/parts/2',
    '/api/apps/1/content': 'app-service /apps/1/content',
    '/api/billing/orders': 'billing-service /orders',
    '/api/billing/webhooks/payment': 'billing-service /webhooks/payment',
    '/api/notifications/send': 'notification-service /notifications/send',
  };
  for (const [path, place] of Object.entries(table)) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const { body } = await ask(`${a.url}${path}`, { method });
      assert.equal(`${body.service} ${body.url}`, place);
      assert.equal(body.method, method);
    }
  }
  const { status, body } = await ask(`${a.url}/api/nothing`);
  assert.deepEqual([status, body.error, body.path], [404, 'NOT_FOUND', '/api/nothing']);
  const upwards = httpRequest({ port: new URL(a.url).port, path: '/api/devices/%2e%2e/orders' }).end();
  const [refused] = (await once(upwards, 'response')) as [IncomingMessage];
  assert.equal(refused.resume().statusCode, 400);
  assert.deepEqual(await a.look(), {
    ...{ status: 'ok', service: 'api-gateway', instance: 'instance-0', host: 'host-1', revision: 1 },
  });
});

test('a service hears what the client said, who it is, and nothing that it made up', async () => {
  const { token, userId } = await logIn(ground.userService.url);
  const { body, headers } = await send(`${a.url}/api/billing/orders`, {
    method: 'POST',
    headers: {
      ...bearer(token),
      'content-type': 'text/plain',
      'content-length': '5',
      'x-user-id': 'admin',
      'x-forwarded-for': '1.1.1.1, 203.0.113.9',
      'x-forwarded-proto': 'https',
      'x-of-client': 'yes',
      'x-hop': 'mine',
      connection: 'x-hop, keep-alive',
      te: 'trailers',
      forwarded: 'for=1.1.1.1',
      expect: '100-continue',
    },
    body: Buffer.from('hello'),
  });
  assert.equal(body.bodyBytes, 5);
  const told = body.headers;
  assert.equal(told['x-user-id'], userId);
  assert.equal(told['x-forwarded-for'], '203.0.113.9');
  assert.equal(told['x-forwarded-proto'], 'https');
  assert.equal(told['x-of-client'], 'yes');
  assert.equal(told['content-type'], 'text/plain');
  for (const name of ['authorization', 'x-hop', 'te', 'forwarded', 'expect']) assert.equal(told[name], undefined, name);
  // And the client hears what the service said, about itself and not about its connection.
  assert.equal(headers['x-of-service'], 'billing-service');
  assert.equal(headers.location, '/api/billing/orders/1');
  assert.notEqual(headers['keep-alive'], 'timeout=55');

  const anonymous = await ask(`${a.url}/api/devices`, { headers: { 'x-user-id': 'admin' } });
  assert.equal(anonymous.body.headers['x-user-id'], undefined);
  const withBody = await send(`${a.url}/api/devices`, { headers: { 'content-length': '2' }, body: Buffer.from('{}') });
  assert.deepEqual([withBody.status, withBody.body.bodyBytes], [200, 0]);
});

test('the page is served by its name, and may load nothing from elsewhere', async () => {
  const page = await fetch(strict.url);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type')!, /^text\/html/);
  assert.match(page.headers.get('content-security-policy')!, /default-src 'self'/);
  assert.match(await page.text(), /<script type="module" src="page.js">/);
  const script = await fetch(`${strict.url}/page.js`);
  assert.match(script.headers.get('content-type')!, /javascript/);
  await script.arrayBuffer();
  assert.equal((await ask(`${strict.url}/missing.js`)).body.error, 'NOT_FOUND');
});

test('a session that was ended through one gateway is good at no other, nor at a service', async () => {
  const { token } = await logIn(ground.userService.url, 'tom');
  const look = (url: string) => ask(`${url}/api/billing/orders`, { headers: bearer(token) });
  for (const { url } of [a, b, strict]) assert.equal((await look(url)).status, 200);
  const out = await ask(`${b.url}/api/users/logout`, { method: 'POST', headers: bearer(token) });
  assert.equal(out.status, 204);
  for (const { url } of [a, b, strict]) {
    const { status, body, headers } = await look(url);
    assert.deepEqual([status, body.error, headers.get('www-authenticate')], [401, 'TOKEN_INVALID', 'Bearer']);
  }
  assert.equal((await lookAtMe(ground.userService.url, token)).status, 401);
});

test('with AUTH=required nothing is asked of a service without a token; logging in, the page and keys are open', async () => {
  const refused = await ask(`${strict.url}/api/billing/orders`);
  assert.deepEqual([refused.status, refused.body.error], [401, 'TOKEN_MISSING']);
  const { token, userId } = await logIn(`${strict.url}/api`, 'eve');
  const passed = await ask(`${strict.url}/api/billing/orders`, { headers: bearer(token) });
  assert.equal(passed.body.headers['x-user-id'], userId);
  assert.equal((await ask(`${strict.url}/.well-known/jwks.json`)).body.keys.length, 1);
  assert.equal((await ask(`${strict.url}/health`)).status, 200);
  for (const authorization of ['Bearer nonsense', 'Basic YTpi', 'Bearer']) {
    for (const { url } of [a, strict]) {
      assert.equal((await ask(`${url}/api/billing/orders`, { headers: { authorization } })).status, 401);
    }
  }
});

test('an upload passes as it comes, whole and of any size', async () => {
  const content = randomBytes(8 * 1024 * 1024);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const whole = await send(`${a.url}/api/uploads/u/parts/1`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream', expect: '100-continue' },
    body: content,
  });
  assert.deepEqual([whole.status, whole.body.bodyBytes, whole.body.sha256], [200, content.length, sha256]);

  const before = ground.services['app-service']!.bodyBytes();
  const slow = httpRequest(`${b.url}/api/uploads/u/parts/2`, { method: 'PUT' });
  slow.write(content.subarray(0, 1_000_000));
  await eventually(() => assert.equal(ground.services['app-service']!.bodyBytes() - before, 1_000_000));
  slow.end(content.subarray(1_000_000));
  const [response] = (await once(slow, 'response')) as [IncomingMessage];
  const answer = JSON.parse(Buffer.concat(await response.toArray()).toString());
  assert.deepEqual([answer.bodyBytes, answer.sha256], [content.length, sha256]);
});

test('a body that comes with an offer of another protocol is passed on', async () => {
  // As clients do that would rather speak HTTP/2.
  const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA' };
  const headers = { ...offer, 'content-type': 'text/plain', 'content-length': '5' };
  const { status, body } = await send(`${a.url}/api/billing/orders`, {
    ...{ method: 'POST', headers, body: Buffer.from('hello') },
  });
  assert.deepEqual([status, body.bodyBytes, body.headers.upgrade], [200, 5, undefined]);
});

test('a service that is away, breaks off or does not answer is named, and what may change something is sent once', async () => {
  const { token } = await logIn(`${strict.url}/api`, 'kim');
  const away = await post(`${strict.url}/api/devices`, {}, bearer(token));
  assert.deepEqual([away.status, away.body.error, away.body.service], [503, 'SERVICE_UNAVAILABLE', 'device-service']);
  assert.equal(away.headers.get('retry-after'), '1');

  const { arrived } = ground.services['billing-service']!;
  const count = (line: string) => arrived.filter((one) => one === line).length;
  const broken = await post(`${a.url}/api/billing/break-off`, { amount: 1 });
  assert.deepEqual([broken.status, broken.body.error], [502, 'UPSTREAM_BROKE_OFF']);
  assert.equal(count('POST /break-off'), 1);
  assert.equal((await ask(`${a.url}/api/billing/break-off`)).status, 502);
  assert.equal(count('GET /break-off'), 2);

  const late = await post(`${a.url}/api/billing/never`, {});
  assert.deepEqual([late.status, late.body.error, late.body.service], [504, 'UPSTREAM_TIMEOUT', 'billing-service']);
  assert.equal(count('POST /never'), 1);

  // What a service says itself is passed on as it is, and not asked again.
  const busy = await ask(`${a.url}/api/billing/busy`);
  assert.deepEqual([busy.status, busy.headers.get('retry-after')], [503, '7']);
  assert.equal(count('GET /busy'), 1);
});

test('with an ended session nothing takes effect, and nothing is answered', async () => {
  const { token } = await logIn(ground.userService.url, 'zac');
  const all = { method: 'DELETE', headers: bearer(token) };
  assert.equal((await ask(`${ground.userService.url}/users/sessions`, all)).status, 204);
  const { arrived } = ground.services['billing-service']!;
  for (const method of ['POST', 'DELETE', 'PUT', 'GET']) {
    const refused = await send(`${a.url}/api/billing/ended/${method}`, { method, headers: bearer(token) });
    assert.deepEqual([refused.status, refused.body.error], [401, 'TOKEN_INVALID'], method);
    // What only reads may have been asked for meanwhile; of the answer nothing is left.
    for (const name of ['x-of-service', 'location', 'set-cookie']) assert.equal(refused.headers[name], undefined, name);
    assert.equal(refused.headers['content-type'], 'application/json; charset=utf-8');
  }
  assert.deepEqual(
    arrived.filter((line) => line.includes('/ended/')).filter((line) => !line.startsWith('GET')),
    [],
  );
  // Also where the service gives no answer.
  const away = await send(`${a.url}/api/billing/break-off`, { headers: bearer(token) });
  assert.equal(away.status, 401);
});

test('two gateways count the requests of a user and of an address together', async (t) => {
  const limit = { RATE_LIMIT: '10', AUTH: 'required' };
  const gateways = [await ground.gateway('host-4', limit), await ground.gateway('host-5', limit)];
  const address = (last: number) => ({ 'x-forwarded-for': `198.51.100.${last}` });
  const { token } = await logIn(ground.userService.url, 'ann-limited');
  const ask20 = (headers: Record<string, string>) =>
    Promise.all(
      Array.from({ length: 20 }, (_, index) => ask(`${gateways[index % 2]!.url}/api/billing/orders`, { headers })),
    );
  const count = (answers: { status: number }[], status: number) =>
    answers.filter((one) => one.status === status).length;

  // From two addresses.
  const [some, others] = await Promise.all([1, 2].map((last) => ask20({ ...bearer(token), ...address(last) })));
  const ofUser = [...some!, ...others!];
  assert.deepEqual([count(ofUser, 200), count(ofUser, 429)], [10, 30]);
  const refused = ofUser.find(({ status }) => status === 429)!;
  assert.deepEqual([refused.body.error, refused.body.allowed], ['RATE_LIMITED', 10]);
  assert.ok(Number(refused.headers.get('retry-after')) > 0);

  // Who guesses tokens is counted by address.
  const guesses = await ask20({ authorization: 'Bearer guess', ...address(3) });
  assert.deepEqual([count(guesses, 401), count(guesses, 429)], [10, 10]);
  const elsewhere = await ask(`${gateways[0]!.url}/api/billing/orders`, { headers: address(4) });
  assert.equal(elsewhere.status, 401);
  for (let index = 0; index < 12; index++) assert.equal((await ask(`${gateways[0]!.url}/health`)).status, 200);
  t.after(() => gateways.map(({ child }) => child.kill('SIGKILL')));
});

test('who is far from the limit does not wait to be counted, and is counted all the same', async (t) => {
  const limit = { RATE_LIMIT: '200' };
  const gateways = [await ground.gateway('host-8', limit), await ground.gateway('host-9', limit)];
  t.after(() => gateways.map(({ child }) => child.kill('SIGKILL')));
  const headers = { 'x-forwarded-for': '198.51.100.5' };
  const askAt = (index: number) => ask(`${gateways[index % 2]!.url}/api/billing/orders`, { headers });
  const left = (answer: { headers: Headers }) => Number(answer.headers.get('x-ratelimit-remaining'));
  assert.deepEqual([left(await askAt(0)), left(await askAt(1))], [199, 198]);

  // Nobody counts now: who had to wait would be told of a whole limit.
  ground.redis.pause();
  const here = [await askAt(1), await askAt(1), await askAt(1)];
  ground.redis.resume();
  assert.deepEqual(here.map(left), [197, 196, 195]);
  await eventually(async () => assert.ok(left(await askAt(0)) < 195));

  // A burst at all of them ends where the limit is, whoever waited for what.
  const used = 200 - left(await askAt(0));
  const burst = await Promise.all(Array.from({ length: 300 }, (_, index) => askAt(index)));
  assert.equal(burst.filter(({ status }) => status === 200).length, 200 - used);
  assert.equal(burst.filter(({ status }) => status === 429).length, 100 + used);
});

test('failed logins through a gateway count for the address of its client, not for that of the gateway', async () => {
  const userService = await ground.users('host-7', { LOGIN_FAILURES: '1' });
  const router = await startRouter(lifetime);
  const port = Number(new URL(userService.url).port);
  await router.route([{ name: 'user-service', routes: [{ path: '/' }], endpoints: [endpoint(port)] }]);
  const gateway = await ground.gateway('host-7', {}, { 'user-service': router.url });
  // What the client says of itself is nobody's address.
  const guess = (username: string, client: string) =>
    post(
      `${gateway.url}/api/users/login`,
      { username, password: 'a good guess' },
      { 'x-forwarded-for': client, 'x-client-address': `203.0.113.${username.length}` },
    );
  for (let length = 1; length <= 10; length++) {
    assert.equal((await guess('u'.repeat(length), '198.51.100.1')).status, 401);
  }
  assert.equal((await guess('u'.repeat(11), '198.51.100.1')).status, 429);
  assert.equal((await guess('u'.repeat(12), '198.51.100.2')).status, 401);
});

test('a gateway that is asked to end finishes what is in progress', async () => {
  const gateway = await ground.gateway('host-6');
  const { arrived, answerLater } = ground.services['billing-service']!;
  const answer = ask(`${gateway.url}/api/billing/later`, { method: 'POST' });
  await eventually(() => assert.ok(arrived.includes('POST /later')));
  const ended = gateway.stop();
  await eventually(() => assert.rejects(() => gateway.look()));
  answerLater();
  assert.equal((await answer).status, 200);
  // And not only when the client, which would use the connection again, has closed it.
  await eventually(() => assert.notEqual(gateway.child.exitCode, null), { timeoutMs: 15_000 });
  assert.deepEqual(await ended, { code: 0, signal: null });
});

test('without Redis requests pass uncounted, and those with a token are told to come back', async () => {
  const { token } = await logIn(ground.userService.url, 'zoe');
  ground.redis.pause();
  assert.equal((await ask(`${a.url}/api/billing/orders`)).status, 200);
  const unknown = await ask(`${a.url}/api/billing/orders`, { headers: bearer(token) });
  assert.deepEqual([unknown.status, unknown.body.error], [503, 'TOKEN_UNCHECKABLE']);
  assert.equal(unknown.headers.get('retry-after'), '1');
  ground.redis.resume();
  await eventually(async () => {
    assert.equal((await ask(`${a.url}/api/billing/orders`, { headers: bearer(token) })).status, 200);
  });
  await ground.redis.kill();
  await eventually(async () => {
    assert.equal((await ask(`${a.url}/api/billing/orders`)).status, 200);
    assert.equal((await ask(`${a.url}/api/billing/orders`, { headers: bearer(token) })).status, 503);
  });
  for (const { url } of [a, b]) assert.equal((await ask(`${url}/health`)).status, 200);
  for (const gateway of [a, b, strict]) assert.deepEqual(await gateway.stop(), { code: 0, signal: null });
});
