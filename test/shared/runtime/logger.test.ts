import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createLogger } from '../../../shared/runtime/logger.ts';

test('secrets are blanked at any depth, in URLs and in errors', () => {
  const lines: string[] = [];
  const stream = { write: (line: string) => lines.push(line) };
  const logger = createLogger({ stream }).child({ joinToken: 'hidden-1' });
  logger.info('connecting to redis://user:hidden-2@host/0', {
    nested: [{ Authorization: 'hidden-3', env: { KEY: 'hidden-4' } }],
    error: new Error('no route to redis://:hidden-5@host'),
    kept: 'shown',
  });
  assert.equal(lines.length, 1);
  assert.doesNotMatch(lines[0]!, /hidden/);
  assert.equal(JSON.parse(lines[0]!).kept, 'shown');
});

test('lines below the level are dropped', () => {
  const lines: string[] = [];
  const logger = createLogger({ stream: { write: (line) => lines.push(line) }, level: 'warn' });
  logger.info('no');
  logger.warn('yes');
  assert.equal(lines.length, 1);
});
