import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTransport, UnansweredError } from '../../../sdk/client/transport.ts';
import { fakeToken, startFakeRest } from '../../support/fake-rest.ts';

test('a read is given up sooner than a change, so that a frozen controller is left for another', async (t) => {
  const fake = await startFakeRest(t, { getCluster: () => new Promise(() => {}) });
  const transport = createTransport({ token: fakeToken, readTimeoutMs: 100, answerTimeoutMs: 60_000 });
  t.after(() => transport.close());
  const read = { method: 'GET', target: '/v1/cluster', headers: {}, repeatable: true } as const;
  await assert.rejects(transport.send(fake.url, read, { signal: t.signal }), (error: UnansweredError) => {
    assert.ok(error instanceof UnansweredError);
    assert.match(error.message, /no answer within 100 ms/);
    assert.equal(error.sent, true);
    return true;
  });
});
