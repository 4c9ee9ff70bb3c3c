import { test } from 'node:test';
import { redisLost } from '../../scripts/story/store-scenes.ts';
import { assertKept, openStage } from './open-stage.ts';

test('Redis is lost under load', async (t) => {
  const { stage } = await openStage(t);
  await t.test('frozen for 30 s: no worker stops, requests go on, then everything resumes with no mass move', (t) =>
    assertKept(t, stage, 'Redis frozen', redisLost('pause', 30_000)),
  );
  await t.test('kill -9 and started again: nothing acknowledged is lost', (t) =>
    assertKept(t, stage, 'Redis killed', redisLost('kill', 5_000)),
  );
});
