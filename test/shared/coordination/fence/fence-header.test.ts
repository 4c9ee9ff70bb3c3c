import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { fenceHeader, parseFenceHeader } from '../../../../shared/coordination/fence/fence-header.ts';

const invalid = { code: 'ARGUMENT_INVALID' };

test('the header carries name and token', () => {
  const fence = { name: 'order:42', token: 123 };
  assert.equal(fenceHeader(fence), '"order:42";token=123');
  assert.deepEqual(parseFenceHeader('"order:42";token=123'), fence);
});

test('any name comes back as it was, and the value is printable ASCII', () => {
  const names = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
  const tokens = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(names, tokens, (name, token) => {
      const value = fenceHeader({ name, token });
      assert.match(value, /^[\x20-\x7e]+$/);
      assert.deepEqual(parseFenceHeader(value), { name, token });
    }),
  );
  const longest = { name: '漢'.repeat(256), token: Number.MAX_SAFE_INTEGER };
  assert.deepEqual(parseFenceHeader(fenceHeader(longest)), longest);
});

test('what does not fit the grammar is refused, not guessed', () => {
  const wrong = [
    ...['', 'order;token=1', '"";token=1', '"a"', '"a";token=', '"a";token=0', '"a";token=01', '"a";token=-1'],
    ...['"a";token=1.5', '"a";token=1e3', '"a";token=9007199254740993', '"a";token=99999999999999999', '"a"; token=1'],
    ...[
      '"a";token=1;x=2',
      '"a";token=1, "b";token=2',
      '"a"b";token=1',
      '"a\\";token=1',
      '"%zz";token=1',
      '"%ff";token=1',
    ],
    ...['"ä";token=1', '"a\n";token=1', `"${'a'.repeat(257)}";token=1`, `"${'a'.repeat(9999)}";token=1`],
  ];
  for (const value of wrong) assert.throws(() => parseFenceHeader(value), invalid, JSON.stringify(value));
});

test('what is no fence is not made a header of', () => {
  for (const fence of [
    { name: '', token: 1 },
    { name: 'a'.repeat(257), token: 1 },
    { name: '\ud800', token: 1 },
    { name: 'a', token: 0 },
    { name: 'a', token: 1.5 },
    { name: 'a', token: Number.NaN },
    { name: 'a', token: 2 ** 53 },
  ]) {
    assert.throws(() => fenceHeader(fence), invalid);
  }
});
