import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseRedisUrl } from '../../../shared/redis/redis-url.ts';

test('servers and Sentinels are read with access and database', () => {
  assert.deepEqual(parseRedisUrl('redis://:p%40ss@h:7000/3'), { password: 'p@ss', host: 'h', port: 7000, db: 3 });
  assert.deepEqual(parseRedisUrl('redis+sentinel://u:p@h1:1,h2/main?db=2'), {
    username: 'u',
    password: 'p',
    sentinels: [
      { host: 'h1', port: 1 },
      { host: 'h2', port: 26_379 },
    ],
    name: 'main',
    db: 2,
  });
});

test('a refusal names the reason and never the password', () => {
  for (const url of ['http://:hush@h', 'redis://:hush@h:99999', 'redis+sentinel://:hush@h', 'redis://:hush@h/x']) {
    assert.throws(
      () => parseRedisUrl(url),
      (error: Error) => /cannot be used/.test(error.message) && !error.message.includes('hush'),
    );
  }
});
