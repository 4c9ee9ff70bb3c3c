import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import type { Controller } from '../../../../shared/contracts/entities.ts';
import { createKeys } from '../../../../shared/redis/keys.ts';
import { startStores } from './support/store-fixture.ts';

const open = await startStores({ after });

const identity = {
  id: 'cluster-1',
  generation: 'g1',
  caCertificate: '-----BEGIN CERTIFICATE-----\nx',
  caKeySealed: 'sealed',
  adminTokenHash: 'a'.repeat(64),
};

function controller(id: string): Controller {
  return { id, url: `https://127.0.0.1:1/${id}`, version: '0.1.0', leader: false, startedAt: 1, seenAt: 1 };
}

test('of controllers that set the cluster up at once, one is first and all agree', async (t) => {
  const { store } = await open(t);
  assert.equal(await store.cluster.read(), null);
  const proposals = Array.from({ length: 5 }, (_, index) => ({ ...identity, adminTokenHash: `${index}` }));
  const stored = await Promise.all(proposals.map((proposal) => store.cluster.initialise(proposal)));
  assert.deepEqual(new Set(stored.map(({ adminTokenHash }) => adminTokenHash)).size, 1);
  assert.deepEqual(await store.cluster.read(), stored[0]);
  assert.deepEqual(await store.cluster.findToken(stored[0]!.adminTokenHash), { name: 'admin' });
  assert.equal(await store.cluster.findToken('4'), null);
  assert.equal((await store.leader.snapshot()).generation, 'g1');
});

test('controllers are listed while they are seen, by the clock of the store', async (t) => {
  const { store, client, prefix } = await open(t);
  for (const id of ['b', 'a', 'gone']) await store.cluster.touchController(controller(id));
  await client.zincrby(createKeys(prefix).controllersSeen, -31_000, 'gone');
  const listed = await store.cluster.listControllers();
  assert.deepEqual(
    listed.map(({ id }) => id),
    ['a', 'b'],
  );
  assert.ok(listed[0]!.seenAt > 1_700_000_000_000);
  await store.cluster.touchController(controller('a'));
  assert.equal(await client.hexists(createKeys(prefix).controllers, 'gone'), 0);
  await store.cluster.removeController('a');
  assert.deepEqual((await store.cluster.listControllers()).length, 1);
});

test('events come in order, after a given one, dated by the store', async (t) => {
  const { store } = await open(t);
  for (const reason of ['one', 'two', 'three']) {
    await store.events.append({ type: 'leader.elected', actor: 'leader:c1', reason });
  }
  const [first, ...rest] = await store.events.read({ after: null, limit: 10 });
  assert.deepEqual(
    rest.map(({ reason }) => reason),
    ['two', 'three'],
  );
  assert.deepEqual(first?.data, {});
  assert.ok(first.at > 1_700_000_000_000);
  assert.deepEqual(await store.events.read({ after: first.id, limit: 10 }), rest);
  assert.deepEqual(await store.events.tail(2), rest);
});
