import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import {
  createLoginLimit,
  type Login,
  type LoginLimit,
} from '../../../examples/cloudphone/user-service/login-limit.ts';
import { connect, type Drover } from '../../../sdk/index.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { startRedis } from '../../support/redis.ts';

const failures = 3;
const ann: Login = { username: 'ann', address: '198.51.100.1' };

/** As two instances of user-service count. */
async function openTwo(t: TestContext): Promise<[LoginLimit, LoginLimit]> {
  const drovers: Drover[] = [];
  // They leave before the server goes.
  t.after(async () => void (await Promise.all(drovers.map((drover) => drover.close()))));
  const redis = await startRedis(t);
  drovers.push(...[0, 1].map(() => connect({ url: redis.url, prefix: 'cloudphone', logger: silentLogger })));
  await Promise.all(drovers.map((drover) => drover.ready()));
  const [a, b] = drovers.map((drover) => createLoginLimit({ drover, failures, windowMs: 600_000 }));
  return [a!, b!];
}

test('a user who logs in rightly many times at once is let in each time', async (t) => {
  const limits = await openTwo(t);
  const logIn = async (index: number) => {
    const limit = limits[index % 2]!;
    await limit.count(ann);
    await limit.forgive(ann);
  };
  await Promise.all(Array.from({ length: 40 }, (_, index) => logIn(index)));
});

test('many users of one address who log in rightly at once are all let in', async (t) => {
  const limits = await openTwo(t);
  const logIn = async (index: number) => {
    const login = { username: `user-${index}`, address: ann.address };
    const limit = limits[index % 2]!;
    await limit.count(login);
    await limit.forgive(login);
  };
  await Promise.all(Array.from({ length: 100 }, (_, index) => logIn(index)));
});

test('guesses at once, and those that wait for room, are no more than the limit', async (t) => {
  const limits = await openTwo(t);
  const guesses = Array.from({ length: 20 }, (_, index) => limits[index % 2]!.count(ann));
  const counted = (await Promise.allSettled(guesses)).filter(({ status }) => status === 'fulfilled');
  assert.equal(counted.length, failures);
  await assert.rejects(limits[0].count(ann), { status: 429, code: 'TOO_MANY_LOGINS' });
});

test('in a flood of guesses only so many wait, and the rest is refused at once', async (t) => {
  const [limit] = await openTwo(t);
  await Promise.all(Array.from({ length: failures }, () => limit.count(ann)));
  const refused: number[] = [];
  const guess = (index: number) => limit.count(ann).catch(() => void refused.push(index));
  await Promise.all(Array.from({ length: 210 }, (_, index) => guess(index)));
  assert.deepEqual(
    refused.slice(0, 10).sort((x, y) => x - y),
    Array.from({ length: 10 }, (_, index) => 200 + index),
  );
});
