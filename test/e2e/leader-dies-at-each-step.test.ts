import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalController } from '../../scripts/cluster/local-cluster.ts';
import { deployExample } from './deploy-example.ts';
import { openStage } from './open-stage.ts';
import { assertOnlyAnswers, assertUnnoticed } from './under-load.ts';

const crashes = [
  'runner.before-apply.createInstance',
  'runner.after-apply.createInstance',
  'runner.after-apply.publishRoutes',
  'runner.before-apply.setDesired',
  'runner.before-apply.updateDeployment',
  'runner.after-apply.updateDeployment',
];

test('one deploy outlives leaders that crash before and after each kind of step (I15)', async (t) => {
  const { stage, port } = await openStage(t);
  const waiting = [...crashes];
  const armed = new Map<LocalController, string | undefined>();
  const crashed: string[] = [];

  async function startArmed(controller: LocalController): Promise<void> {
    const point = waiting.shift();
    armed.set(controller, point);
    if (point !== undefined) process.env.DROVER_FAILPOINTS = `${point}=exit`;
    await controller.start();
    delete process.env.DROVER_FAILPOINTS;
  }

  for (const controller of stage.cluster.controllers) {
    await controller.process.stop();
    await startArmed(controller);
  }
  await assertUnnoticed(stage, async () => {
    let isOver = false;
    const deploying = deployExample(stage, { version: 'v2', port, instances: 3 }).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      for (const controller of stage.cluster.controllers) {
        if (controller.process.isRunning()) continue;
        crashed.push(armed.get(controller) ?? 'without a reason');
        await startArmed(controller);
      }
      await sleep(50);
    }
    const { code, stdout, stderr } = await deploying;
    assert.equal(code, 0, `${stdout}\n${stderr}`);
  });
  // The last of them ends the deploy by its crash, or right after it.
  for (const controller of stage.cluster.controllers) {
    if (!controller.process.isRunning()) crashed.push(armed.get(controller) ?? 'without a reason');
  }
  // A controller that waits for a step which the other has just done for good is never struck.
  assert.ok(crashed.length >= crashes.length - 1, `only ${crashed.join(', ')}`);
  await assertOnlyAnswers(stage, 'v2');
});
