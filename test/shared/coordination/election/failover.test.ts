import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';

import { createElection } from '../../../../shared/coordination/election/election.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../../support/eventually.ts';
import { startSentinelSet } from '../../../support/sentinel.ts';

/** Sentinels notice and vote within some seconds, then nothing is given out for one ttl. */
const failoverMs = 30_000;

test('after the death of the master there is one leader again, with a higher term', async (t) => {
  const set = await startSentinelSet(t);
  const opened = ['a', 'b'].map((identity) => openCoordination({ url: set.url, identity, minReplicas: 1 }));
  const elections = opened.map((coordination) => createElection(coordination, 'poller', { ttlMs: 2000 }));
  t.after(async () => {
    await Promise.all(elections.map((election) => election.close()));
    await Promise.all(opened.map((coordination) => coordination.close()));
  });
  await Promise.all(opened.map((coordination) => coordination.ready()));
  const terms: number[] = [];
  let leading = 0;
  let mostAtOnce = 0;
  for (const election of elections) {
    election.campaign({
      async onElected(term, signal) {
        terms.push(term);
        mostAtOnce = Math.max(mostAtOnce, ++leading);
        if (!signal.aborted) await once(signal, 'abort');
        leading--;
      },
    });
  }
  await eventually(() => terms.length === 1, { timeoutMs: failoverMs });
  const master = await set.master();
  await master.kill();
  await eventually(() => leading === 0, { timeoutMs: failoverMs });
  await eventually(() => leading === 1, { timeoutMs: failoverMs });
  assert.equal(mostAtOnce, 1);
  for (const [index, term] of terms.entries()) assert.ok(index === 0 || term > terms[index - 1]!, terms.join(' '));
});
