import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createTokenVerifier } from '../../../examples/cloudphone/shared/tokens.ts';
import { createSessions } from '../../../examples/cloudphone/user-service/sessions.ts';
import { createSigningKeys } from '../../../examples/cloudphone/user-service/signing-keys.ts';
import { connect } from '../../../sdk/index.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { openLifetime } from '../../faults/lib/open-lifetime.ts';
import { startRedis } from '../../support/redis.ts';

test('while Redis is away a forged token is refused, a good one cannot be checked, and neither ends the process', async (t) => {
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
  assert.deepEqual(await verify(token), { userId: 'ann', isOpen: true });

  // Its key is known here, so the signature can be looked at all the same; its session cannot.
  const [head, claims, signature] = token.split('.');
  const ofBob = { ...JSON.parse(Buffer.from(claims!, 'base64url').toString()), sub: 'bob' };
  const forged = [head, Buffer.from(JSON.stringify(ofBob)).toString('base64url'), signature].join('.');
  await assert.rejects(verify(forged), { problem: 'invalid' });
  await redis.kill();
  for (const text of [forged, 'no.token.at all', '']) await assert.rejects(verify(text), { problem: 'invalid' }, text);
  await assert.rejects(verify(token), { problem: 'uncheckable' });
});
