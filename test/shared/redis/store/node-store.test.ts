import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import type { JoinToken } from '../../../../shared/contracts/entities.ts';
import { createKeys } from '../../../../shared/redis/keys.ts';
import {
  apply,
  create,
  join,
  lead,
  node,
  request,
  type StoreFixture,
  spec,
  startStores,
} from './support/store-fixture.ts';

const open = await startStores({ after });
const actor = 'user:admin';
const usage = { cpu: 0.5, memoryBytes: 1, load1: 0.1 };

function token(change: Partial<JoinToken> = {}): JoinToken {
  const none = { expiresAt: null, usesLeft: null, revoked: false, labels: {} };
  return { id: 'tok', createdAt: 1, createdBy: actor, ...none, ...change };
}

async function joinWith({ store }: StoreFixture, given: JoinToken, secretHash = 'hash') {
  await store.joinTokens.create(given, 'hash', actor);
  return await store.nodes.join({ tokenId: given.id, secretHash, node: node('a') });
}

test('a host joins with a token, which gives it labels and has one use less', async (t) => {
  const fixture = await open(t);
  const joined = await joinWith(fixture, token({ usesLeft: 1, labels: { zone: 'x' } }));
  assert.deepEqual(joined, node('a', { labels: { zone: 'x' } }));
  assert.deepEqual(await fixture.store.nodes.get('a'), joined);
  assert.equal((await fixture.store.joinTokens.list())[0]?.usesLeft, 0);
  const again = { tokenId: 'tok', secretHash: 'hash', node: node('b') };
  await assert.rejects(fixture.store.nodes.join(again), { code: 'JOIN_TOKEN_INVALID' });
});

test('a join asked twice uses the token once', async (t) => {
  const fixture = await open(t);
  const first = await joinWith(fixture, token({ usesLeft: 2 }));
  const again = { tokenId: 'tok', secretHash: 'hash', node: node('a') };
  assert.deepEqual(await fixture.store.nodes.join(again), first);
  assert.equal((await fixture.store.joinTokens.list())[0]?.usesLeft, 1);
});

describe('a join token that is no good', () => {
  const cases: readonly (readonly [string, JoinToken, string])[] = [
    ['with another secret', token(), 'other'],
    ['expired', token({ expiresAt: 1 }), 'hash'],
    ['used up', token({ usesLeft: 0 }), 'hash'],
    ['revoked', token({ revoked: true }), 'hash'],
  ];
  for (const [name, given, secretHash] of cases) {
    test(`${name} joins nobody`, async (t) => {
      const fixture = await open(t);
      await assert.rejects(joinWith(fixture, given, secretHash), { code: 'JOIN_TOKEN_INVALID' });
      assert.deepEqual(await fixture.store.nodes.list(), []);
    });
  }

  test('unknown joins nobody', async (t) => {
    const { store } = await open(t);
    const unknown = { tokenId: 'nope', secretHash: 'hash', node: node('a') };
    await assert.rejects(store.nodes.join(unknown), { code: 'JOIN_TOKEN_INVALID' });
  });
});

test('a revoked token is of no use, and an unknown one is named', async (t) => {
  const { store } = await open(t);
  await store.joinTokens.create(token(), 'hash', actor);
  await store.joinTokens.revoke('tok', actor);
  await store.joinTokens.revoke('tok', actor);
  assert.equal((await store.joinTokens.list())[0]?.revoked, true);
  await assert.rejects(store.joinTokens.revoke('nope', actor), { code: 'TOKEN_NOT_FOUND' });
});

test('a heartbeat counts, wakes nobody and leaves the version', async (t) => {
  const fixture = await open(t);
  await join(fixture, node('a'));
  const { version } = await fixture.store.leader.snapshot();
  assert.equal(await fixture.store.nodes.heartbeat('node-a', usage), version);
  await fixture.store.nodes.heartbeat('node-a', usage);
  const [beating] = (await fixture.store.leader.snapshot()).nodes;
  assert.equal(beating?.heartbeat, 2);
  assert.deepEqual(beating?.usage, usage);
  await fixture.store.nodes.heartbeat('node-z', usage);
  assert.equal((await fixture.store.nodes.list()).length, 1);
});

test('hello refreshes the facts and keeps what users set', async (t) => {
  const fixture = await open(t);
  await join(fixture, node('a'));
  await fixture.store.nodes.update('node-a', { eligibility: 'draining', labels: { zone: 'z' } }, actor);
  const greeted = await fixture.store.nodes.hello('node-a', node('a', { cores: 8, labels: { disk: 'ssd' } }));
  assert.equal(greeted.cores, 8);
  assert.equal(greeted.eligibility, 'draining');
  assert.deepEqual(greeted.labels, { disk: 'ssd', zone: 'z' });
});

test('a node with instances is not removed while it is ready; a lost one is, and its ports are free', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  await join(fixture, node('a'));
  await store.services.deploy('web', request(spec('web')));
  await apply(fixture, create('i1', 'web'));
  await assert.rejects(store.nodes.remove('node-a', actor), { code: 'STATE_CONFLICT' });
  await apply(fixture, { type: 'setNodeState', nodeId: 'node-a', state: 'lost', reason: 'silent' });
  await store.nodes.remove('node-a', actor);
  assert.equal(await store.nodes.get('node-a'), null);
  assert.deepEqual(await fixture.client.keys(`${createKeys(fixture.prefix).ports('node-a')}*`), []);
  await assert.rejects(store.nodes.hello('node-a', node('a')), { code: 'CERTIFICATE_INVALID' });
  await assert.rejects(store.nodes.remove('node-a', actor), { code: 'NODE_NOT_FOUND' });
});
