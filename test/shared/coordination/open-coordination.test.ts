import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { startRedis } from '../../support/redis.ts';

test('the connections stay until work that nobody waits for is over, also what it takes on meanwhile', async (t) => {
  const server = await startRedis(t);
  const coordination = openCoordination({ url: server.url, identity: 'host/test' });
  await coordination.ready();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const answers: string[] = [];
  const ask = async () => void answers.push(await coordination.redis.ping());
  coordination.finish(
    first.promise.then(async () => {
      await ask();
      coordination.finish(second.promise.then(ask));
    }),
  );
  const closing = coordination.close();
  first.resolve();
  // Longer than the first takes to end.
  for (let turn = 0; turn < 50; turn++) await server.client().ping();
  second.resolve();
  await closing;
  assert.deepEqual(answers, ['PONG', 'PONG']);
});
