import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRouterLog } from '../../../agent/router/router-log.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

test('the log keeps the newest events in two files of bounded size, over restarts too', (t) => {
  const path = join(tempDirectory(t), 'router.log');
  const maxBytes = 2_000;
  let number = 0;
  for (let start = 0; start < 5; start++) {
    const log = openRouterLog(path, maxBytes);
    for (let i = 0; i < 100; i++) log('event.happened', { number: number++ });
  }
  assert.deepEqual(readdirSync(join(path, '..')).sort(), ['router.log', 'router.log.1']);
  for (const file of [path, `${path}.1`]) {
    assert.ok(statSync(file).size <= maxBytes);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  }
  const numbers = [`${path}.1`, path].flatMap((file) =>
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { number: number }).number),
  );
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => number - numbers.length + i),
  );
  assert.ok(numbers.length > 20);
});

test('an event of any length takes a bounded line, and a log that cannot be written stops nobody', (t) => {
  const path = join(tempDirectory(t), 'router.log');
  openRouterLog(path)('error.uncaught', { error: 'e'.repeat(1_000_000) });
  assert.ok(statSync(path).size < 20_000);
  openRouterLog(join(path, 'below-a-file'))('error.uncaught', {});
});
