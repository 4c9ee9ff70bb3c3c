import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { openDataDirectory } from '../../agent/data-paths.ts';
import type { Lifetime } from '../support/lifetime.ts';
import { tempDirectory } from '../support/temp-directory.ts';

test('a data directory that is made is open to its user only', (t) => {
  const { root } = openDataDirectory(join(tempDirectory(t), 'data'));
  assert.equal(statSync(root).mode & 0o777, 0o700);
});

test('sockets of a data directory with a long path are in a directory of their own, open to its user only', (t) => {
  const { data, sockets } = longPaths(t);
  const paths = openDataDirectory(data);
  assert.equal(dirname(paths.routerSocket), sockets);
  assert.equal(statSync(sockets).mode & 0o777, 0o700);
  openDataDirectory(data);
});

test('a directory that somebody else has made for the sockets, or may write to, is refused', (t) => {
  const { data, sockets } = longPaths(t);
  mkdirSync(sockets);
  assert.throws(() => openDataDirectory(data), { code: 'ARGUMENT_INVALID' });
  rmSync(sockets, { recursive: true });
  symlinkSync(tempDirectory(t), sockets);
  assert.throws(() => openDataDirectory(data), { code: 'ARGUMENT_INVALID' });
});

function longPaths(t: Lifetime): { data: string; sockets: string } {
  const data = join(tempDirectory(t), 'd'.repeat(120));
  mkdirSync(data);
  const hash = createHash('sha256').update(realpathSync(data)).digest('hex').slice(0, 16);
  const sockets = join(tmpdir(), `drover-${hash}`);
  t.after(() => rmSync(sockets, { recursive: true, force: true }));
  return { data, sockets };
}
