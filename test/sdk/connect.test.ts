import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../../sdk/connect.ts';
import { openTestDrover } from '../../sdk/testing/open-test-drover.ts';
import { isDroverError } from '../../shared/contracts/drover-error.ts';
import { silentLogger } from '../../shared/runtime/logger.ts';
import { eventually } from '../support/eventually.ts';
import { ownPort } from '../support/own-port.ts';
import { startRedis } from '../support/redis.ts';

test('a URL that cannot be read is refused at once', () => {
  for (const url of ['http://127.0.0.1', 'nonsense', 'redis://']) {
    assert.throws(
      () => connect({ url }),
      (error) => isDroverError(error) && error.code === 'ARGUMENT_INVALID',
    );
  }
});

test('a Redis that is away from the start is a state, which ends by itself; waiting for it can be given up', async (t) => {
  const redis = await startRedis(t);
  await redis.stop();
  const rejections: unknown[] = [];
  const note = (reason: unknown) => void rejections.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => void process.off('unhandledRejection', note));

  await using drover = connect({ url: redis.url, logger: silentLogger });
  assert.equal(drover.state === 'ready', false);
  drover.cron('job', '* * * * *', () => {});
  drover.topic('news').subscribe(() => {});
  drover.stream('work').consume('group', () => {});
  const election = drover.election('leader');
  election.campaign({ onElected: async () => {} });
  await drover.presence('here').join('me');
  const reason = new Error('enough');
  await assert.rejects(drover.ready(AbortSignal.abort(reason)), reason);
  await assert.rejects(drover.tryLock('order:1'), { code: 'STORE_UNREACHABLE' });
  await assert.rejects(drover.topic('news').publish(1), { code: 'STORE_UNREACHABLE' });

  await redis.restart();
  await drover.ready(AbortSignal.timeout(10_000));
  await eventually(async () => assert.equal((await drover.presence('here').list()).length, 1));
  assert.deepEqual(rejections, []);
});

test('without masters a quorum lock says what to configure', async () => {
  await using drover = connect({ url: `redis://127.0.0.1:${await ownPort()}`, logger: silentLogger });
  await assert.rejects(drover.quorumLock('a'), (error) => isDroverError(error) && error.issues?.[0]?.path === 'quorum');
});

test('close() gives back what is held, and may be called again', async (t) => {
  const redis = await startRedis(t);
  const other = await openTestDrover({ redis: redis.url, prefix: 'shared' });
  t.after(() => other.close());
  const drover = connect({ url: redis.url, prefix: 'shared', identity: 'host/1' });
  await drover.ready();
  const lock = await drover.lock('order:1', { ttlMs: 60_000 });
  const election = drover.election('leader', { ttlMs: 60_000 });
  election.campaign({
    onElected: (_term, signal) => new Promise((done) => signal.addEventListener('abort', () => done())),
  });
  await eventually(() => election.term !== undefined);
  await drover.presence('here').join('me');
  await Promise.all([drover.close(), drover.close()]);
  assert.equal(lock.signal.aborted, true);
  assert.throws(() => lock.assert());
  const again = await other.tryLock('order:1');
  assert.ok(again, 'the lock was given back');
  await again.release();
  assert.equal(await other.election('leader').leader(), null);
  assert.deepEqual(await other.presence('here').list(), []);
});
