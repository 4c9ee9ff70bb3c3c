import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClusterKey, readClusterKey, seal, unseal } from '../../../controller/authority/cluster-key.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

test('two controllers that start at once agree on one key, readable only by its owner', async (t) => {
  const file = join(tempDirectory(t), 'data', 'cluster.key');
  assert.equal(await readClusterKey(file), null);
  const [a, b] = await Promise.all([createClusterKey(file), createClusterKey(file)]);
  assert.deepEqual(a, b);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a key that was cut short is refused', async (t) => {
  const file = join(tempDirectory(t), 'cluster.key');
  writeFileSync(file, 'AAAA');
  await assert.rejects(readClusterKey(file), { code: 'FILE_INVALID' });
});

test('what one key sealed another does not open, and a changed byte is noticed', () => {
  const key = randomBytes(32);
  const sealed = seal(key, 'private');
  assert.equal(unseal(key, sealed), 'private');
  assert.throws(() => unseal(randomBytes(32), sealed), { code: 'FILE_INVALID' });
  const bytes = Buffer.from(sealed, 'base64');
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  assert.throws(() => unseal(key, bytes.toString('base64')), { code: 'FILE_INVALID' });
});
