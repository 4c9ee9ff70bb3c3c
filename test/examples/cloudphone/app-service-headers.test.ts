import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readByteRange } from '../../../examples/cloudphone/app-service/byte-range.ts';
import { readPartDigest } from '../../../examples/cloudphone/app-service/part-digest.ts';

test('a range is served where it is one, and is the whole where it is none of ours', () => {
  const cases: [string | undefined, ReturnType<typeof readByteRange>][] = [
    [undefined, 'all'],
    ['bytes=0-9', { first: 0, last: 9 }],
    ['bytes=90-', { first: 90, last: 99 }],
    ['bytes=90-1000', { first: 90, last: 99 }],
    ['bytes=-10', { first: 90, last: 99 }],
    ['bytes=-1000', { first: 0, last: 99 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=100-200', 'unsatisfiable'],
    ['bytes=9-0', 'all'],
    ['bytes=-', 'all'],
    ['bytes=0-1,5-6', 'all'],
    ['lines=0-1', 'all'],
  ];
  for (const [header, expected] of cases) assert.deepEqual(readByteRange(header, 100), expected, header);
});

test('a digest is read from either header, and one that cannot be read is refused', () => {
  const hex = 'ab'.repeat(32);
  const base64 = Buffer.from(hex, 'hex').toString('base64');
  assert.equal(readPartDigest({}), undefined);
  assert.equal(readPartDigest({ 'x-part-sha256': hex.toUpperCase() }), hex);
  assert.equal(readPartDigest({ 'content-digest': `sha-256=:${base64}:` }), hex);
  assert.equal(readPartDigest({ 'content-digest': `md5=:AAAA:, sha-256=:${base64}:` }), hex);
  for (const headers of [
    { 'x-part-sha256': 'abc' },
    { 'content-digest': 'sha-256=abc' },
    { 'content-digest': 'md5=:AAAA:' },
  ]) {
    assert.throws(() => readPartDigest(headers), { code: 'INPUT_INVALID', status: 400 });
  }
});
