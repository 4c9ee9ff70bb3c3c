import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createTokenVerifier } from '../../../examples/cloudphone/shared/tokens.ts';
import { createSessions } from '../../../examples/cloudphone/user-service/sessions.ts';
import { createSigningKeys } from '../../../examples/cloudphone/user-service/signing-keys.ts';
import { connect } from '../../../sdk/index.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { openLifetime } from '../../faults/lib/open-lifetime.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startRedis } from '../../support/redis.ts';

async function open(t: Lifetime) {
  const lifetime = openLifetime();
  t.after(() => lifetime.end());
  const redis = await startRedis(lifetime);
  const drover = connect({ url: redis.url, prefix: 'cloudphone', logger: silentLogger });
  lifetime.after(() => drover.close());
  await drover.ready();
  const tokenTtlMs = 60_000;
  const keys = createSigningKeys({ drover, secret: 'secret', tokenTtlMs });
  const { token } = await createSessions({ drover, keys, tokenTtlMs, sessionTtlMs: 3_600_000 }).begin('ann');
  const verifier = createTokenVerifier(drover);
  const verify = async (text: string) => {
    const { userId, isOpen } = await verifier.read(text);
    return { userId, isOpen: await isOpen };
  };
  return { redis, token, verify };
}

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('tokens that name keys which nobody has made have the keys read once, not once each', async (t) => {
  const { redis, token, verify } = await open(t);
  const [, ...rest] = token.split('.');
  const forged = Array.from({ length: 40 }, (_, index) =>
    [encoded({ alg: 'EdDSA', kid: `made-up-${index}` }), ...rest].join('.'),
  );
  await redis.client().config('RESETSTAT');
  const answers = await Promise.allSettled([...forged, token].map(verify));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [...forged.map(() => 'rejected'), 'fulfilled'],
  );
  const [, reads] = /cmdstat_hgetall:calls=(\d+)/.exec(await redis.client().info('commandstats'))!;
  assert.ok(Number(reads) <= 2, reads);
});

test('while Redis is away a forged token is refused, a good one cannot be checked, and neither ends the process', async (t) => {
  const { redis, token, verify } = await open(t);
  assert.deepEqual(await verify(token), { userId: 'ann', isOpen: true });

  // Its key is known here, so the signature can be looked at all the same; its session cannot.
  const [head, claims, signature] = token.split('.');
  const ofBob = { ...JSON.parse(Buffer.from(claims!, 'base64url').toString()), sub: 'bob' };
  const forged = [head, encoded(ofBob), signature].join('.');
  await assert.rejects(verify(forged), { problem: 'invalid' });
  await redis.kill();
  for (const text of [forged, 'no.token.at all', '']) await assert.rejects(verify(text), { problem: 'invalid' }, text);
  await assert.rejects(verify(token), { problem: 'uncheckable' });
});
