import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, test } from 'node:test';

import { createKeys } from '../../../../shared/redis/keys.ts';
import type { Store } from '../../../../shared/redis/store/store.ts';
import { apply, lead, request, spec, startStores } from './support/store-fixture.ts';

const open = await startStores({ after });
const limit = 10_000_000;

const digestOf = (content: Buffer) => createHash('sha256').update(content).digest('hex');

/** Yields the content in pieces of an odd size, as a socket does. */
async function* pieces(content: Buffer, size = 99_991): AsyncIterable<Buffer> {
  for (let start = 0; start < content.length; start += size) yield content.subarray(start, start + size);
}

async function readAll(store: Store, digest: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of store.artifacts.read(digest)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('what was put in comes out, byte by byte', async (t) => {
  const { store } = await open(t);
  for (const size of [0, 1, 1_048_576, 2_500_000]) {
    const content = randomBytes(size);
    const artifact = await store.artifacts.put(digestOf(content), pieces(content), limit);
    assert.equal(artifact.bytes, size);
    assert.deepEqual(await store.artifacts.get(artifact.digest), artifact);
    assert.ok((await readAll(store, artifact.digest)).equals(content));
    assert.deepEqual(await store.artifacts.put(artifact.digest, pieces(content), limit), artifact);
  }
});

test('an upload that is wrong, too large or broken off leaves nothing', async (t) => {
  const { store, client, prefix } = await open(t);
  const content = randomBytes(1_500_000);
  const digest = digestOf(content);
  await assert.rejects(store.artifacts.put(digestOf(Buffer.of(1)), pieces(content), limit), {
    code: 'ARTIFACT_MISMATCH',
  });
  await assert.rejects(store.artifacts.put(digest, pieces(content), 1_000_000), { code: 'ARTIFACT_TOO_LARGE' });
  async function* broken() {
    yield* pieces(content.subarray(0, 1_200_000));
    throw new Error('connection reset');
  }
  await assert.rejects(store.artifacts.put(digest, broken(), limit), /connection reset/);
  assert.equal(await store.artifacts.get(digest), null);
  await assert.rejects(readAll(store, digest), { code: 'ARTIFACT_NOT_FOUND' });
  assert.deepEqual(await client.keys(`{${prefix}}:*`), []);
});

test('a deploy needs its artifact, and the artifact goes with the last service that uses it', async (t) => {
  const fixture = await open(t);
  const { store, client, prefix } = fixture;
  await lead(fixture);
  const content = randomBytes(10);
  const artifact = digestOf(content);
  await assert.rejects(store.services.deploy('a', request(spec('a'), { artifact })), { code: 'ARTIFACT_NOT_FOUND' });
  await store.artifacts.put(artifact, pieces(content), limit);
  assert.ok((await client.pttl(createKeys(prefix).artifact(artifact))) > 0, 'unclaimed, it would expire');
  for (const name of ['a', 'b']) await store.services.deploy(name, request(spec(name), { artifact }));
  assert.equal(await client.pttl(createKeys(prefix).artifact(artifact)), -1);
  for (const [name, left] of [
    ['a', true],
    ['b', false],
  ] as const) {
    await store.services.markDeleted(name, 'user:admin');
    assert.ok(await apply(fixture, { type: 'removeService', service: name }));
    assert.equal((await store.artifacts.get(artifact)) !== null, left);
  }
});
