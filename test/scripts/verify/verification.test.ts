import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployedPlatform } from '../../../scripts/verify/platform.ts';
import { renderVerdict } from '../../../scripts/verify/render.ts';
import { verify } from '../../../scripts/verify/verification.ts';

const platform = deployedPlatform({ base: 'http://127.0.0.1:1' });
const named = { name: 'some', title: 'Some check' };

test('a check that looks at nothing, or that throws, is a broken promise', async () => {
  const empty = await verify({ ...named, run: async () => {} }, { platform });
  assert.deepEqual(empty.claims, [
    { promise: 'the check comes to its end', kept: false, measured: 'nothing was looked at' },
  ]);
  const thrown = await verify({ ...named, run: () => Promise.reject(new Error('no answer')) }, { platform });
  assert.equal(thrown.claims[0]?.kept, false);
  assert.equal(thrown.claims[0]?.measured, 'no answer');
  assert.match(renderVerdict([empty]), /1 of 1 promises were broken/);
});

test('nothing is called kept where nothing was looked at', () => {
  assert.equal(renderVerdict([]).trim(), 'Nothing was looked at.');
});
