import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Redis } from 'ioredis';

import { claimTogether } from '../../../../shared/coordination/cron/claim-ticks.ts';
import { cronKeys } from '../../../../shared/coordination/cron/cron-keys.ts';
import { declareJob, finishRun, heartbeatRun, settleTick } from '../../../../shared/coordination/cron/cron-scripts.ts';
import { startRedis } from '../../../support/redis.ts';

const keys = cronKeys('test', 'job');
/** Far above the length of one history, so that a run is lost only where the history says so. */
const ttlMs = 60_000;
const definition = '{}';
/** All ticks of a history are past, and after the declaration. */
const firstTick = Date.now() - 3_600_000;

async function claim(redis: Redis, tick: number, token: string, overlap = 'skip') {
  const about = `{"tick":"${tick}","trigger":"schedule","identity":"${token}"}`;
  const quick = await claimTogether(redis, { job: keys.job, tick, token, definition, ttlMs, about });
  if (quick[0] !== 'unsettled') return quick;
  return settleTick.run(
    redis,
    [keys.job, keys.history],
    [tick, token, definition, ttlMs, overlap, 5, about, 0, 0, keys.wakeChannel, 'job', '0'],
  );
}

function finish(redis: Redis, token: string) {
  return finishRun.run(
    redis,
    [keys.job, keys.history, keys.requests],
    [token, 'succeeded', 1, '', '', keys.wakeChannel, 'job', '0'],
  );
}

async function declare(redis: Redis, text = definition, declaredAt = '') {
  const keyList = [keys.job, keys.jobs, keys.hosts, keys.requests] as [string, string, string, string];
  return declareJob.run(redis, keyList, ['job', 'p host', 60_000, text, declaredAt, keys.wakeChannel, '0']);
}

/** As if the job had been declared an hour ago. */
async function begin(redis: Redis) {
  await redis.flushall();
  await declare(redis);
  await redis.hset(keys.job, 'lastTick', firstTick);
}

const command = fc.oneof(
  fc.record({
    verb: fc.constant('claim' as const),
    tick: fc.integer({ min: 1, max: 12 }),
    host: fc.constantFrom('a', 'b', 'c'),
    overlap: fc.constantFrom('skip', 'queue', 'replace'),
  }),
  fc.record({ verb: fc.constant('finish' as const) }),
  fc.record({ verb: fc.constant('repeat' as const) }),
  fc.record({ verb: fc.constant('silence' as const) }),
);

test('over any history each tick is given to one token at most, ticks rise, and so do epochs', async (t) => {
  const redis = (await startRedis(t)).client();
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
      await begin(redis);
      let lastTick = 0;
      let highest = 0;
      let running: { token: string; epoch: string; tick: number } | undefined;
      let isSilent = false;
      let tries = 0;
      for (const step of commands) {
        switch (step.verb) {
          case 'claim': {
            const token = `${step.host}-${tries++}`;
            const [outcome, value] = await claim(redis, firstTick + step.tick, token, step.overlap);
            const isBusy = running !== undefined && !isSilent;
            if (step.tick <= lastTick) assert.equal(outcome, 'taken');
            else if (isBusy && step.overlap === 'queue') assert.equal(outcome, 'running');
            else if (isBusy && step.overlap === 'skip') {
              assert.equal(outcome, 'skipped');
              lastTick = step.tick;
            } else {
              assert.equal(outcome, 'claimed');
              assert.ok(Number(value) > highest);
              highest = Number(value);
              lastTick = step.tick;
              running = { token, epoch: String(value), tick: step.tick };
              isSilent = false;
            }
            break;
          }
          case 'repeat':
            if (running === undefined) break;
            // An answer was lost: the same token finds its claim, whatever became of the time.
            assert.deepEqual((await claim(redis, firstTick + running.tick, running.token)).slice(0, 2), [
              'claimed',
              running.epoch,
            ]);
            isSilent = false;
            break;
          case 'finish':
            if (running === undefined) break;
            assert.equal(await finish(redis, running.token), 'finished');
            assert.equal(await finish(redis, running.token), 'finished');
            assert.equal(await heartbeatRun.run(redis, [keys.job], [running.token, ttlMs]), 'expired');
            running = undefined;
            break;
          case 'silence':
            if (running === undefined) break;
            await redis.hset(keys.job, 'deadline', 1);
            isSilent = true;
        }
      }
    }),
    { numRuns: 100 },
  );
});

test('a run whose host went silent is recorded as lost, and cannot be finished', async (t) => {
  const redis = (await startRedis(t)).client();
  await begin(redis);
  await claim(redis, firstTick + 1, 'a');
  await redis.hset(keys.job, 'deadline', 1);
  assert.equal((await claim(redis, firstTick + 2, 'b'))[0], 'claimed');
  const [line] = await redis.lrange(keys.history, 0, -1);
  assert.equal(JSON.parse(line!).outcome, 'lost');
  assert.equal(await finish(redis, 'a'), 'lost');
  assert.equal(await heartbeatRun.run(redis, [keys.job], ['a', ttlMs]), 'taken');
});

test('a tick of the future is not claimed; the answer says how long it takes', async (t) => {
  const redis = (await startRedis(t)).client();
  await begin(redis);
  const [outcome, remainingMs] = await claim(redis, Date.now() + 60_000, 'a');
  assert.equal(outcome, 'early');
  assert.ok(Number(remainingMs) > 50_000 && Number(remainingMs) <= 60_000);
  assert.equal(await redis.hget(keys.job, 'lastTick'), String(firstTick));
});

test('when the data is lost, what was due by then is not claimed again', async (t) => {
  const redis = (await startRedis(t)).client();
  await begin(redis);
  assert.equal((await claim(redis, firstTick + 1, 'a'))[0], 'claimed');
  await redis.flushall();
  assert.equal((await claim(redis, firstTick + 1, 'b'))[0], 'taken');
  assert.equal((await claim(redis, firstTick + 2, 'b'))[0], 'taken');
  await redis.hincrby(keys.job, 'lastTick', -10_000);
  assert.equal((await claim(redis, Date.now(), 'b'))[0], 'claimed');
});

test('a hundred runs are kept', async (t) => {
  const redis = (await startRedis(t)).client();
  await begin(redis);
  for (let tick = 1; tick <= 120; tick++) {
    await claim(redis, firstTick + tick, `${tick}`);
    await finish(redis, `${tick}`);
  }
  assert.equal(await redis.llen(keys.history), 100);
  assert.equal(JSON.parse((await redis.lindex(keys.history, 0))!).run.identity, '120');
});

test('the newest declaration is in force, also after the data was lost; what was due before it is not run', async (t) => {
  const redis = (await startRedis(t)).client();
  const [oldAt] = await declare(redis, 'old');
  await redis.hset(keys.job, 'declaredAt', Number(oldAt) - 1000);
  const [newAt, lastTick] = await declare(redis, 'new');
  assert.ok(Number(lastTick) >= Number(oldAt));
  assert.equal((await declare(redis, 'old', String(Number(oldAt) - 1000)))[3], 0);
  assert.equal((await claim(redis, Date.now(), 'a'))[0], 'superseded');
  await redis.flushall();
  assert.equal((await declare(redis, 'old', String(Number(oldAt) - 1000)))[3], 1);
  assert.equal((await declare(redis, 'new', newAt))[3], 1);
  assert.equal((await declare(redis, 'old', String(Number(oldAt) - 1000)))[3], 0);
});
