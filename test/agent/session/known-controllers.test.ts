import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownControllers } from '../../../agent/session/known-controllers.ts';

test('those that left the list are tried after those that are on it, the one that was lost last of these', () => {
  const saved: (readonly string[])[] = [];
  const known = new KnownControllers(['a', 'b'], (urls) => saved.push(urls));
  known.learn(['c', 'b']);
  assert.deepEqual(known.current, ['c', 'b']);
  assert.deepEqual(known.inTurn('c'), ['b', 'c', 'a']);
  assert.deepEqual(known.inTurn('b'), ['c', 'b', 'a']);
  known.learn(['a']);
  assert.deepEqual(known.inTurn(null), ['a', 'c', 'b']);
  assert.deepEqual(saved, [
    ['c', 'b', 'a'],
    ['a', 'c', 'b'],
  ]);
});

test('the same controllers in another order, or none at all, are no news', () => {
  const known = new KnownControllers(['a', 'b'], () => assert.fail('saved'));
  known.learn(['b', 'a']);
  known.learn([]);
  assert.deepEqual(known.current, ['a', 'b']);
});

test('controllers that move often do not make the list grow without end', () => {
  let saved: readonly string[] = [];
  const known = new KnownControllers(['c0'], (urls) => {
    saved = urls;
  });
  for (let move = 1; move <= 30; move += 1) known.learn([`c${move}`]);
  assert.deepEqual(
    saved,
    [30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20].map((move) => `c${move}`),
  );
  assert.deepEqual(known.inTurn('c30'), saved);
});
