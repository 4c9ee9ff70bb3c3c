import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { childAbort } from '../../../shared/runtime/child-abort.ts';

test('a child is aborted with its parent, also when that was aborted before', () => {
  const parent = new AbortController();
  const child = childAbort(parent.signal);
  assert.equal(child.signal.aborted, false);
  parent.abort();
  assert.equal(child.signal.aborted, true);
  assert.equal(childAbort(parent.signal).signal.aborted, true);
});

test('a child that has ended leaves nothing with its parent, and does not abort it', () => {
  const parent = new AbortController();
  const child = childAbort(parent.signal);
  child.abort();
  assert.equal(child.signal.aborted, true);
  assert.equal(parent.signal.aborted, false);
  assert.deepEqual(getEventListeners(parent.signal, 'abort'), []);
});
