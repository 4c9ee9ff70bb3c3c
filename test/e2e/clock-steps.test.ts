import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalAgent, LocalController } from '../../scripts/cluster/local-cluster.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import { createClocks } from '../support/shifted-clock.ts';
import { tempDirectory } from '../support/temp-directory.ts';
import { deployExample } from './deploy-example.ts';
import { openStage } from './open-stage.ts';
import { assertOnlyAnswers, assertUnnoticed, untilHalfWay, untilSettled } from './under-load.ts';

const hour = 3_600;

test('clocks that jump an hour in the middle of a deploy lose no node and fail no request (I17)', async (t) => {
  const clocks = createClocks(tempDirectory(t));
  if (clocks === null) {
    t.skip('needs gcc, to build the library that moves a clock');
    return;
  }
  const [shared, ofController, ofAgent] = [clocks('shared'), clocks('controller'), clocks('agent')] as const;
  // Redis and everything else on one clock, one controller and one agent on clocks of their own.
  const { stage, port } = await shared.around(() => openStage(t));
  const { cluster } = stage;
  const [controller] = cluster.controllers as [LocalController];
  const [, agent] = cluster.agents as [LocalAgent, LocalAgent];
  await controller.process.stop();
  await ofController.around(() => controller.start());
  await agent.process.stop();
  await ofAgent.around(() => agent.start());
  await untilSettled(stage, 6);

  const steps = [
    () => shared.moveBy(hour),
    () => ofController.moveBy(-hour),
    () => ofAgent.moveBy(hour),
    () => shared.moveBy(0),
    () => ofAgent.moveBy(-hour),
    () => ofController.moveBy(hour),
  ];
  await assertUnnoticed(stage, async () => {
    for (const version of ['v2', 'v3']) {
      const deploying = deployExample(stage, { version, port });
      for (const step of steps.splice(0, 3)) {
        await untilHalfWay(stage);
        step();
      }
      const { code, stderr } = await deploying;
      assert.equal(code, 0, stderr);
      await assertOnlyAnswers(stage, version);
    }
  });
  await waitUntil('all nodes to be ready', async () =>
    (await cluster.client.listNodes({})).every(({ state }) => state === 'ready'),
  );
  const terms: number[] = [];
  for await (const { type, data, reason } of cluster.client.getEvents({ query: { follow: 'false', limit: 5_000 } })) {
    if (type === 'leader.elected') terms.push(Number(data.term));
    assert.notEqual(type, 'node.lost', reason);
    assert.notEqual(data.to, 'lost', reason);
  }
  assert.deepEqual(
    terms,
    [...new Set(terms)].toSorted((a, b) => a - b),
  );
});
