import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { skipWithoutPostgres } from '../../support/postgres.ts';
import type { RunningExample } from '../run-example.ts';
import { ask, post } from './billing-requests.ts';
import { bearer, logIn, lookAtMe, openUserGround, password, type UserGround } from './user-ground.ts';

const cleanUps: (() => void | Promise<void>)[] = [];
const lifetime = { after: (cleanUp: () => void | Promise<void>) => void cleanUps.unshift(cleanUp) };
let ground: UserGround;
/** Two instances, as on two hosts. */
let a: RunningExample;
let b: RunningExample;

before(async () => {
  ground = await openUserGround(lifetime);
  const environment = { LOGIN_FAILURES: '2' };
  [a, b] = await Promise.all([ground.users('host-1', environment), ground.users('host-2', environment)]);
});
after(async () => {
  for (const cleanUp of cleanUps) await cleanUp();
});

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const read = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;
/** Header and claims. */
const readToken = (token: string) =>
  token.split('.', 2).map(read) as [Record<string, unknown>, Record<string, unknown>];
const kidOf = (token: string) => readToken(token)[0].kid as string;

async function publishedKids(base: string): Promise<string[]> {
  return (await ask(`${base}/.well-known/jwks.json`)).body.keys.map(({ kid }: { kid: string }) => kid);
}

test('instances that start at once make one key to sign with', async () => {
  const looks = Array.from({ length: 8 }, (_, index) => publishedKids([a, b][index % 2]!.url));
  assert.equal(new Set((await Promise.all(looks)).flat()).size, 1);
});

test('a user registers at one instance of user-service, and is known to the other', async () => {
  const registered = await post(`${a.url}/users/register`, { username: 'Ann', password });
  assert.equal(registered.status, 201);
  const login = await post(`${b.url}/users/login`, { username: 'ann', password });
  assert.equal(login.status, 200);
  assert.equal(login.body.userId, registered.body.userId);
  const me = await lookAtMe(a.url, login.body.token);
  assert.deepEqual(
    { status: me.status, userId: me.body.userId, username: me.body.username },
    { status: 200, userId: registered.body.userId, username: 'ann' },
  );
  const [head, claims] = readToken(login.body.token);
  assert.deepEqual(Object.keys(claims).sort(), ['aud', 'exp', 'iat', 'iss', 'sid', 'sub']);
  assert.deepEqual(await publishedKids(a.url), [head.kid]);

  const wrong = await post(`${b.url}/users/login`, { username: 'ann', password: 'wrong horse' });
  const nobody = await post(`${b.url}/users/login`, { username: 'bob', password });
  assert.deepEqual([wrong.status, nobody.status], [401, 401]);
  assert.deepEqual(nobody.body, wrong.body);
  const bad = await post(`${a.url}/users/register`, { username: 'a b', password: 'short' });
  assert.equal(bad.status, 400);
  assert.match(bad.body.message, /username is not allowed; allowed is text of 1 to 64.*password is not allowed/);
  assert.doesNotMatch(`${a.output()}${b.output()}`, new RegExp(`horse|${login.body.token}`));
});

async function raceForName(one: string, other: string): Promise<void> {
  const body = { username: 'racer', password };
  const races = Array.from({ length: 10 }, (_, index) => post(`${index % 2 === 0 ? one : other}/users/register`, body));
  const answers = await Promise.all(races);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array.from({ length: 9 }, () => 409)]);
  assert.match(answers.find(({ status }) => status === 409)!.body.message, /username is taken/);
}

test('one of ten registrations of a name at two instances gets it', async () => {
  await raceForName(a.url, b.url);
});

test('instances make the table and register users on PostgreSQL too', { skip: skipWithoutPostgres }, async (t) => {
  const there = await openUserGround(t, 'postgres');
  const [one, other] = await Promise.all([there.users('host-1'), there.users('host-2')]);
  await raceForName(one.url, other.url);
  const { token } = await logIn(other.url);
  assert.equal((await lookAtMe(one.url, token)).body.username, 'ann');
  for (const instance of [one, other]) assert.deepEqual(await instance.stop(), { code: 0, signal: null });
});

test('a session that was ended at one instance is good nowhere any more', async () => {
  const first = await logIn(a.url, 'tom');
  const second = await logIn(a.url, 'tom');
  const third = await logIn(b.url, 'tom');
  for (const { token } of [first, second, third]) assert.equal((await lookAtMe(b.url, token)).status, 200);
  const sessions = await ask(`${b.url}/users/sessions`, { headers: bearer(first.token) });
  assert.deepEqual(sessions.body.map(({ isThis }: { isThis: boolean }) => isThis).sort(), [false, false, true]);

  const out = await ask(`${a.url}/users/logout`, { method: 'POST', headers: bearer(first.token) });
  assert.equal(out.status, 204);
  assert.equal((await lookAtMe(b.url, first.token)).status, 401);
  assert.equal((await lookAtMe(b.url, second.token)).status, 200);

  await ask(`${b.url}/users/sessions`, { method: 'DELETE', headers: bearer(second.token) });
  for (const { token } of [second, third]) {
    const answer = await lookAtMe(a.url, token);
    assert.equal(answer.status, 401);
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
    assert.match(answer.body.message, /session of the token has been ended/);
  }
  const renewed = await ask(`${a.url}/users/token`, { method: 'POST', headers: bearer(third.token) });
  assert.equal(renewed.status, 401);
});

test('tokens of another key, of no key, or altered are refused', async () => {
  const { token, userId } = await logIn(a.url);
  const [head, claims, signature] = token.split('.') as [string, string, string];
  const bytes = (key: KeyObject, text: string) => sign(null, Buffer.from(text), key).toString('base64url');
  const stranger = generateKeyPairSync('ed25519').privateKey;
  const forged = (header: object, body: string) => {
    const text = `${part(header)}.${body}`;
    return `${text}.${bytes(stranger, text)}`;
  };
  const foreign = part({ ...read(claims), iss: 'somebody' });
  const wrong = {
    'another key under a known id': forged(read(head), claims),
    'an unknown id': forged({ ...read(head), kid: 'mine' }, claims),
    'no id': forged({ alg: 'EdDSA' }, claims),
    'no algorithm': `${part({ ...read(head), alg: 'none' })}.${claims}.`,
    'a shared secret': `${part({ ...read(head), alg: 'HS256' })}.${claims}.${signature}`,
    'altered claims': `${head}.${foreign}.${signature}`,
    'no token': 'nonsense',
    'two parts': `${head}.${claims}`,
    'not JSON': `${Buffer.from('{').toString('base64url')}.${claims}.${signature}`,
  };
  for (const [what, text] of Object.entries(wrong)) {
    const { status, body } = await lookAtMe(b.url, text);
    assert.deepEqual({ what, status, error: body.error }, { what, status: 401, error: 'TOKEN_INVALID' });
  }
  assert.equal((await lookAtMe(b.url, token)).body.userId, userId);
  assert.equal((await ask(`${b.url}/users/me`)).body.error, 'TOKEN_MISSING');
});

test('a key that signs for others as well signs no tokens for this platform', async (t) => {
  const { token, userId } = await logIn(a.url, 'eve');
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const named = { kid: 'shared', alg: 'EdDSA', use: 'sig' };
  const record = { publicKey: { ...publicKey.export({ format: 'jwk' }), ...named }, createdAt: 0 };
  await ground.redis.client().hset('cloudphone:users:keys', named.kid, JSON.stringify(record));
  t.after(() => ground.redis.client().hdel('cloudphone:users:keys', named.kid));
  const [head, claims] = readToken(token);
  const look = async (altered: object) => {
    const text = `${part({ ...head, kid: named.kid })}.${part({ ...claims, ...altered })}`;
    const signature = sign(null, Buffer.from(text), privateKey).toString('base64url');
    const { status, body } = await lookAtMe(b.url, `${text}.${signature}`);
    return [status, body.userId ?? body.error];
  };
  assert.deepEqual(await look({}), [200, userId]);
  const past = Math.floor(Date.now() / 1000) - 60;
  for (const altered of [{ iss: 'somebody' }, { aud: 'somebody' }, { sid: undefined }, { sid: 7 }, { exp: past }]) {
    assert.deepEqual(await look(altered), [401, 'TOKEN_INVALID'], JSON.stringify(altered));
  }
});

test('all instances sign with a new key at once, and tokens of the old one stay good until they expire', async (t) => {
  const there = await openUserGround(t);
  const environment = { KEY_ROTATION: '* * * * * *', TOKEN_TTL: '10s' };
  const [one, other] = await Promise.all([there.users('host-1', environment), there.users('host-2', environment)]);
  const old = await logIn(one.url);
  await eventually(async () => {
    const { token } = await logIn(other.url, 'bob');
    assert.notEqual(kidOf(token), kidOf(old.token));
    assert.equal((await lookAtMe(one.url, token)).status, 200);
    assert.equal((await lookAtMe(other.url, old.token)).status, 200, 'signed with the old key, and still good');
  });
  // For as long as a token may be signed with it, a key outlasts the rotations.
  await eventually(async () => {
    const kids = await publishedKids(one.url);
    assert.ok(kids.length >= 3 && kids.includes(kidOf(old.token)));
  });
  await eventually(
    async () => {
      const { status, body } = await lookAtMe(other.url, old.token);
      assert.deepEqual([status, body.message], [401, 'The token has expired.']);
    },
    { timeoutMs: 30_000 },
  );
  // No token of it can be good any more.
  await eventually(async () => assert.ok(!(await publishedKids(one.url)).includes(kidOf(old.token))), {
    timeoutMs: 40_000,
  });
  const rotations = [one, other].flatMap(({ output }) => output().match(/signed with key \S+/g) ?? []);
  assert.equal(new Set(rotations).size, rotations.length, 'each tick makes one key');
});

test('private keys are sealed in Redis, and another TOKEN_SECRET can be rolled out', async () => {
  const c = await ground.users('host-3', { TOKEN_SECRET: 'another' });
  const [ann, bob] = [await logIn(c.url, 'ann'), await logIn(b.url, 'bob')];
  for (const { url } of [b, c]) {
    for (const { token } of [ann, bob]) assert.equal((await lookAtMe(url, token)).status, 200);
  }
  const { current, ...records } = await ground.redis.client().hgetall('cloudphone:users:keys');
  assert.equal(Object.keys(records).length, 2);
  assert.equal(current, kidOf(ann.token));
  for (const text of Object.values(records)) {
    const { publicKey, sealedKey } = JSON.parse(text);
    assert.deepEqual(Object.keys(publicKey).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    assert.doesNotMatch(Buffer.from(sealedKey, 'base64url').toString('latin1'), /"d"|kty/);
  }
});

test('failed logins of a user are counted over all instances, at once too', async () => {
  await logIn(a.url, 'eve');
  const attempt = (index: number, secret: string) =>
    post(`${[a, b][index % 2]!.url}/users/login`, { username: 'eve', password: secret });
  const guesses = await Promise.all(Array.from({ length: 12 }, (_, index) => attempt(index, `wrong ${index} horse`)));
  const count = (status: number) => guesses.filter((answer) => answer.status === status).length;
  assert.deepEqual([count(401), count(429)], [2, 10]);
  const refused = await attempt(0, password);
  assert.equal(refused.status, 429);
  assert.equal(Number(refused.headers.get('retry-after')) > 0, true);
  // Another user is not concerned.
  await logIn(b.url, 'bob');
});

test('failed logins from one address are counted over all users, as the router and the gateway tell it', async () => {
  const guess = (index: number, clientAddress: string, askedBy = '10.0.0.1') => {
    const body = { username: `user-${index}`, password: 'a good guess' };
    const from = { 'x-forwarded-for': `203.0.113.${index}, ${askedBy}`, 'x-client-address': clientAddress };
    return post(`${[a, b][index % 2]!.url}/users/login`, body, from);
  };
  const guesses = await Promise.all(Array.from({ length: 25 }, (_, index) => guess(index, '198.51.100.1')));
  const count = (status: number) => guesses.filter((answer) => answer.status === status).length;
  assert.deepEqual([count(401), count(429)], [20, 5]);
  assert.equal((await guess(46, '198.51.100.2')).status, 401);
  // Who comes from elsewhere is no gateway, whatever it says.
  assert.equal((await guess(47, '198.51.100.2', '198.51.100.1')).status, 429);
});

test('logins that the database does not answer count against nobody', async (t) => {
  const there = await openUserGround(t);
  const service = await there.users('host-1', { LOGIN_FAILURES: '2' });
  await logIn(service.url);
  const database = new DatabaseSync(there.databaseUrl.slice('sqlite:'.length));
  t.after(() => database.close());
  const login = async () => (await post(`${service.url}/users/login`, { username: 'ann', password })).status;
  database.exec('ALTER TABLE users RENAME TO users_away');
  for (let attempt = 0; attempt < 3; attempt++) assert.equal(await login(), 500);
  database.exec('ALTER TABLE users_away RENAME TO users');
  assert.equal(await login(), 200);
});

test('in production user-service does not start without TOKEN_SECRET', () => {
  const main = join(ground.directory, 'user-service', 'main.ts');
  const { PATH } = process.env;
  // Empty is what a deployment makes of a variable that nobody has set.
  for (const secret of [{}, { TOKEN_SECRET: '' }]) {
    const env = { PATH, NODE_ENV: 'production', DATABASE_URL: 'sqlite:/nowhere/users.db', ...secret };
    const { status, stderr } = spawnSync(process.execPath, [main], { env });
    assert.equal(status, 1);
    assert.match(stderr.toString(), /TOKEN_SECRET is not set/);
  }
});

test('a limit that is no number is told, and is not taken for no limit', () => {
  for (const [service, setting] of [
    ['user-service', 'LOGIN_FAILURES'],
    ['api-gateway', 'RATE_LIMIT'],
    ['user-service', 'DATABASE_POOL_SIZE'],
    ['app-service', 'MAX_APP_BYTES'],
  ] as const) {
    const env = { PATH: process.env.PATH, DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', [setting]: 'ten' };
    const main = join(ground.directory, service, 'main.ts');
    const { status, stderr } = spawnSync(process.execPath, [main], { env });
    assert.equal(status, 1);
    assert.match(stderr.toString(), new RegExp(`${setting} is "ten"; write a whole number from 1`));
  }
});

test('a database whose name cannot be looked up now is away', () => {
  const noAnswer = `import dns from 'node:dns';
    dns.lookup = (name, options, done) => done(Object.assign(new Error('no name server'), { code: 'EAI_AGAIN' }));`;
  const env = { PATH: process.env.PATH, DATABASE_URL: 'postgres://nobody@database.example/none' };
  const main = join(ground.directory, 'user-service', 'main.ts');
  const preload = `--import=data:text/javascript,${encodeURIComponent(noAnswer)}`;
  const { stderr } = spawnSync(process.execPath, [preload, main], { env });
  assert.match(stderr.toString(), /The database is away: no name server/);
});

test('without Redis nobody gets in, and nobody is told that a token is wrong', async () => {
  const { token } = await logIn(a.url);
  ground.redis.pause();
  const hanging = await lookAtMe(b.url, token);
  assert.deepEqual([hanging.status, hanging.body.error], [503, 'TOKEN_UNCHECKABLE']);
  assert.equal(hanging.headers.get('retry-after'), '1');
  ground.redis.resume();
  await eventually(async () => assert.equal((await lookAtMe(b.url, token)).status, 200));
  await ground.redis.kill();
  await eventually(async () => {
    const login = await post(`${b.url}/users/login`, { username: 'ann', password });
    assert.deepEqual([login.status, login.body.error], [503, 'SESSIONS_UNAVAILABLE']);
  });
  assert.equal((await lookAtMe(b.url, token)).status, 503);
  assert.equal((await ask(`${b.url}/health`)).status, 200);
  for (const instance of [a, b]) assert.deepEqual(await instance.stop(), { code: 0, signal: null });
});
