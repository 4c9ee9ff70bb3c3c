import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { type Client, createClient } from '../../../sdk/client/create-client.ts';
import { DroverError } from '../../../shared/contracts/drover-error.ts';
import { type FakeRest, fakeToken, hangUp, startFakeRest } from '../../support/fake-rest.ts';
import { ownPort } from '../../support/own-port.ts';
import { sampleNode, sampleService } from '../../support/sample-entities.ts';

function connect(t: TestContext, urls: readonly string[]): Client {
  const client = createClient({ urls, token: fakeToken, signal: t.signal });
  t.after(() => client.close());
  return client;
}

const accepted = { service: 'hello', revision: 2, deploymentId: 'd-1' };
const spec = { name: 'hello', script: 'a.js' };

test('a call sends its token and resolves with what the contract says', async (t) => {
  const fake = await startFakeRest(t, { getService: ({ params }) => sampleService({ name: params.name! }) });
  const service = await connect(t, [fake.url]).getService({ params: { name: 'web' } });
  assert.equal(service.name, 'web');
  assert.equal(fake.calls[0]!.headers.authorization, `Bearer ${fakeToken}`);
});

test('an input that does not fit is refused with its field before anything is sent', async (t) => {
  const fake = await startFakeRest(t);
  const client = connect(t, [fake.url]);
  await assert.rejects(client.scaleService({ params: { name: 'web' }, body: { instances: -1 } }), {
    code: 'ARGUMENT_INVALID',
    message: /instances/,
  });
  await assert.rejects(client.getService({ params: { name: 'a b' } }), {
    code: 'ARGUMENT_INVALID',
    message: /params\.name/,
  });
  assert.equal(fake.calls.length, 0);
});

test('a refusal of the controller keeps its code, issues and details', async (t) => {
  const fake = await startFakeRest(t, {
    getService() {
      throw new DroverError('SERVICE_NOT_FOUND', 'There is no service "web"', {
        details: { name: 'web' },
        issues: [{ path: 'name', reason: 'unknown' }],
      });
    },
  });
  await assert.rejects(connect(t, [fake.url]).getService({ params: { name: 'web' } }), (error: DroverError) => {
    assert.deepEqual(
      [error.code, error.message, error.details, error.issues],
      ['SERVICE_NOT_FOUND', 'There is no service "web"', { name: 'web' }, [{ path: 'name', reason: 'unknown' }]],
    );
    return true;
  });
});

async function pair(t: TestContext): Promise<[FakeRest, FakeRest]> {
  return [await startFakeRest(t), await startFakeRest(t)];
}

test('a controller that is gone is left for the next one, which is asked first from then on', async (t) => {
  const dead = `http://127.0.0.1:${await ownPort()}`;
  const fake = await startFakeRest(t, { listNodes: () => [sampleNode()] });
  const client = connect(t, [dead, fake.url]);
  assert.equal((await client.listNodes()).length, 1);
  assert.equal((await client.listNodes()).length, 1);
  assert.equal(fake.calls.length, 2);
});

test('a read whose connection is cut is repeated elsewhere', async (t) => {
  const [first, second] = await pair(t);
  first.handlers.listNodes = () => hangUp;
  second.handlers.listNodes = () => [sampleNode()];
  assert.equal((await connect(t, [first.url, second.url]).listNodes()).length, 1);
});

test('a deploy with an idempotency key is repeated elsewhere; a change without one is not', async (t) => {
  const [first, second] = await pair(t);
  for (const fake of [first, second]) fake.handlers.putService = fake.handlers.reloadService = () => accepted;
  first.handlers.putService = first.handlers.reloadService = () => hangUp;
  const params = { name: 'hello' };
  const body = { spec, artifact: null };
  assert.deepEqual(
    await connect(t, [first.url, second.url]).putService({ params, body: { ...body, idempotencyKey: 'k' } }),
    accepted,
  );
  assert.equal((second.calls[0]!.body as { idempotencyKey: string }).idempotencyKey, 'k');
  await assert.rejects(connect(t, [first.url, second.url]).putService({ params, body }), {
    code: 'CONTROLLER_UNREACHABLE',
    message: /may have done what was asked/,
  });
  await assert.rejects(connect(t, [first.url, second.url]).reloadService({ params }), {
    code: 'CONTROLLER_UNREACHABLE',
  });
  assert.equal(second.callsOf('reloadService').length, 0);
});

test('a change that cannot have been sent goes to the next controller', async (t) => {
  const dead = `http://127.0.0.1:${await ownPort()}`;
  const fake = await startFakeRest(t, { reloadService: () => accepted });
  assert.deepEqual(await connect(t, [dead, fake.url]).reloadService({ params: { name: 'hello' } }), accepted);
});

function noStore(): never {
  throw new DroverError('STORE_UNREACHABLE', 'Redis cannot be reached');
}

test('a controller that cannot reach the store is left for the next one, which is asked first from then on', async (t) => {
  const [first, second] = await pair(t);
  first.handlers.listNodes = noStore;
  second.handlers.listNodes = () => [sampleNode()];
  const client = connect(t, [first.url, second.url]);
  assert.equal((await client.listNodes()).length, 1);
  assert.equal((await client.listNodes()).length, 1);
  assert.equal(first.calls.length, 1);
});

test('a store that no controller reaches is the answer, of each of them once', async (t) => {
  const [first, second] = await pair(t);
  first.handlers.listNodes = second.handlers.listNodes = noStore;
  const dead = `http://127.0.0.1:${await ownPort()}`;
  await assert.rejects(connect(t, [first.url, dead, second.url]).listNodes(), { code: 'STORE_UNREACHABLE' });
  assert.deepEqual([first.calls.length, second.calls.length], [1, 1]);
});

test('a change that the store may have taken is not repeated, and the next call goes to another controller', async (t) => {
  const [first, second] = await pair(t);
  first.handlers.reloadService = noStore;
  second.handlers.reloadService = () => accepted;
  const client = connect(t, [first.url, second.url]);
  await assert.rejects(client.reloadService({ params: { name: 'hello' } }), { code: 'STORE_UNREACHABLE' });
  assert.equal(second.calls.length, 0);
  assert.deepEqual(await client.reloadService({ params: { name: 'hello' } }), accepted);
});

test('an answer that comes to a standstill is given up, though its connection stands', async (t) => {
  const fake = await startFakeRest(t, {
    listNodes({ response }) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('[{"');
      return new Promise(() => {});
    },
  });
  const client = createClient({ urls: [fake.url], token: fakeToken, signal: t.signal, answerTimeoutMs: 200 });
  t.after(() => client.close());
  await assert.rejects(client.listNodes({}, { signal: AbortSignal.timeout(5_000) }), {
    code: 'CONTROLLER_UNREACHABLE',
    message: /cut short: nothing came for 200 ms/,
  });
});

test('when no controller answers, the error names each with its reason', async (t) => {
  const urls = [`http://127.0.0.1:${await ownPort()}`, `http://127.0.0.1:${await ownPort()}`];
  await assert.rejects(connect(t, urls).listNodes(), (error: DroverError) => {
    assert.equal(error.code, 'CONTROLLER_UNREACHABLE');
    for (const url of urls) assert.ok(error.message.includes(`${url}: nothing listens there (ECONNREFUSED)`));
    return true;
  });
});

test('a stream that breaks goes on after the last event seen', async (t) => {
  const seen = Promise.withResolvers<void>();
  const event = (id: string) => ({ id, data: { id, type: 'leader.elected', at: 1, actor: 'leader:a', reason: 'é' } });
  const fake = await startFakeRest(t, {
    async *getEvents({ headers, response }) {
      if (headers['last-event-id'] === undefined) {
        yield event('1-0');
        yield event('2-0');
        await seen.promise;
        response.destroy();
      } else yield event(`after-${headers['last-event-id']}`);
    },
  });
  const lost: string[] = [];
  const ids = [];
  for await (const { id } of connect(t, [fake.url]).getEvents(
    {},
    { onReconnect: (error) => lost.push(error.message) },
  )) {
    ids.push(id);
    if (id === '2-0') seen.resolve();
  }
  assert.deepEqual(ids, ['1-0', '2-0', 'after-2-0']);
  assert.equal(lost.length, 1);
});

test('a stream survives the death of its controller', async (t) => {
  const seen = Promise.withResolvers<void>();
  const [first, second] = await pair(t);
  const event = (id: string) => ({ id, data: { id, type: 'leader.elected', at: 1, actor: 'leader:a', reason: '' } });
  first.handlers.getEvents = async function* () {
    yield event('1-0');
    await seen.promise;
    await first.kill();
  };
  second.handlers.getEvents = async function* () {
    yield event('2-0');
  };
  const ids = [];
  for await (const { id } of connect(t, [first.url, second.url]).getEvents()) {
    ids.push(id);
    seen.resolve();
  }
  assert.deepEqual(ids, ['1-0', '2-0']);
  assert.equal(second.calls[0]!.headers['last-event-id'], '1-0');
});

test('a stream that is refused throws the refusal, and ends quietly with its signal', async (t) => {
  const fake = await startFakeRest(t, {
    getLogs() {
      throw new DroverError('SERVICE_NOT_FOUND', 'There is no service "x"');
    },
    async *getEvents() {
      yield { id: '1-0', data: { id: '1-0', type: 'leader.elected', at: 1, actor: 'a', reason: '' } };
      await new Promise(() => undefined);
    },
  });
  const client = connect(t, [fake.url]);
  await assert.rejects(
    client
      .getLogs({ query: { service: 'x' } })
      [Symbol.asyncIterator]()
      .next(),
    { code: 'SERVICE_NOT_FOUND' },
  );
  const stop = new AbortController();
  for await (const _ of client.getEvents({}, { signal: stop.signal })) stop.abort();
});

test('an artifact is uploaded as it is, again from its first byte when the controller dies, and comes back as a stream', async (t) => {
  const [first, second] = await pair(t);
  const bytes = Buffer.alloc(300_000, 'x');
  const digest = 'b'.repeat(64);
  first.handlers.putArtifact = () => hangUp;
  second.handlers.putArtifact = ({ body }) => ({ digest, bytes: (body as Buffer).length, createdAt: 1 });
  second.handlers.getArtifactContent = () => bytes;
  let opened = 0;
  const open = () => {
    opened += 1;
    return Readable.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]);
  };
  const client = connect(t, [first.url, second.url]);
  assert.equal(
    (await client.putArtifact({ params: { digest }, body: { bytes: bytes.length, open } })).bytes,
    bytes.length,
  );
  assert.equal(opened, 2);
  assert.deepEqual(await buffer(await client.getArtifactContent({ params: { digest } })), bytes);
});
