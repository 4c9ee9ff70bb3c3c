import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTerminal } from '../../shared/state/instance-states.ts';
import { deployExample } from './deploy-example.ts';
import { openStage } from './open-stage.ts';
import { assertOnlyAnswers, assertUnnoticed, drover, untilSettled } from './under-load.ts';

test('workers in cluster mode are deployed, reloaded, scaled and moved under mixed load without a failed request', async (t) => {
  const { stage, port } = await openStage(t);
  const cluster = (version: string) =>
    deployExample(stage, { version, port, app: { exec_mode: 'cluster', instances: 6 } });

  await t.test('a deploy from fork to cluster mode', () =>
    assertUnnoticed(stage, async () => {
      assert.equal((await cluster('v2')).code, 0);
      await assertOnlyAnswers(stage, 'v2');
    }),
  );
  await t.test('a deploy of a new version', () =>
    assertUnnoticed(stage, async () => {
      assert.equal((await cluster('v3')).code, 0);
      await assertOnlyAnswers(stage, 'v3');
    }),
  );
  await t.test('a reload, in which old and new workers share a port', () =>
    assertUnnoticed(stage, () => drover(stage, 'reload', 'hello')),
  );
  await t.test('fewer instances, then more', () =>
    assertUnnoticed(stage, async () => {
      await drover(stage, 'scale', 'hello', '3');
      await untilSettled(stage, 3);
      await drover(stage, 'scale', 'hello', '6');
      await untilSettled(stage, 6);
    }),
  );
  await t.test('a drain of the host that has the router', () =>
    assertUnnoticed(stage, async () => {
      await drover(stage, 'node', 'drain', 'host-1');
      await untilSettled(stage, 6);
      const left = await stage.cluster.client.listInstances({ query: { node: 'host-1' } });
      assert.deepEqual(
        left.filter(({ status }) => !isTerminal(status.state)),
        [],
      );
      await drover(stage, 'node', 'undrain', 'host-1');
    }),
  );
});
