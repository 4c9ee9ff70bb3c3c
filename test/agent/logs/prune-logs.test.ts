import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pruneLogs } from '../../../agent/logs/prune-logs.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

test('logs of living instances stay, and of ended ones only those of the last twenty, rotated files too', (t) => {
  const root = tempDirectory(t);
  mkdirSync(join(root, 'web'));
  for (let age = 0; age < 30; age += 1) {
    for (const suffix of ['out.log', 'out.log.1', 'err.log']) {
      const path = join(root, 'web', `web-${age}-a.${suffix}`);
      writeFileSync(path, '');
      utimesSync(path, 1_000 - age, 1_000 - age);
    }
  }
  pruneLogs(root, new Set(['web-29-a']));
  const left = new Set(readdirSync(join(root, 'web')).map((name) => Number(name.split('-')[1])));
  assert.deepEqual(
    [...left].sort((a, b) => a - b),
    [...Array.from({ length: 20 }, (_, age) => age), 29],
  );
  assert.equal(readdirSync(join(root, 'web')).length, 63);
});

test('a node that has logged nothing has nothing to prune', (t) => {
  pruneLogs(join(tempDirectory(t), 'logs'), new Set());
});
