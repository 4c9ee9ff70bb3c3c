import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SnapshotCache } from '../../../controller/realtime/snapshot-cache.ts';
import type { Snapshot } from '../../../shared/contracts/snapshot.ts';

test('all that ask for the same version at once share one read, and later ones the answer', async () => {
  const { cache, store } = build();
  store.version = 7;
  cache.note(7);
  const found = await Promise.all([cache.current(), cache.current(), cache.current()]);
  assert.equal(new Set(found).size, 1);
  assert.equal(await cache.current(), found[0]);
  assert.equal(store.reads, 1);
});

test('a version that is heard of while a read runs gets a read of its own', async () => {
  const { cache, store } = build();
  store.version = 1;
  const slow = store.hold();
  const first = cache.current();
  cache.note(2);
  const second = cache.current();
  slow.resolve();
  store.version = 2;
  assert.equal((await first).version, 1);
  assert.equal((await second).version, 2);
});

test('a store that lost its last writes is read anew although its version went back', async () => {
  const { cache, store } = build();
  store.version = 100;
  cache.note(100);
  await cache.current();
  store.version = 95;
  cache.note(95);
  assert.equal((await cache.current()).version, 95);
});

test('a new leader is seen soon, also when nothing else has changed', async () => {
  const { cache, store } = build();
  store.version = 5;
  cache.note(5);
  assert.equal((await cache.current()).term, 1);
  store.term = 2;
  store.nowMs += 1_000;
  assert.equal((await cache.current()).term, 2);
});

test('a read that failed is tried again by the next that asks', async () => {
  const { cache, store } = build();
  store.fails = true;
  await assert.rejects(cache.current(), /away/);
  store.fails = false;
  assert.equal((await cache.current()).version, 0);
});

function build() {
  const store = {
    version: 0,
    term: 1,
    reads: 0,
    nowMs: 0,
    fails: false,
    held: Promise.resolve(),
    /** The next read waits until this is resolved. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      store.held = promise;
      return { resolve };
    },
  };
  const read = async () => {
    store.reads += 1;
    const { version, term } = store;
    await store.held;
    if (store.fails) throw new Error('away');
    return { version, term } as Snapshot;
  };
  return { store, cache: new SnapshotCache(read, () => store.nowMs) };
}
