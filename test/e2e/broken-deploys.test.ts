import { test } from 'node:test';
import { brokenDeploy } from '../../scripts/story/scenes.ts';
import { assertKept, openStage } from './open-stage.ts';

test('a version that crashes, never gets ready or turns unhealthy is rolled back unnoticed, and the command says why', async (t) => {
  const { stage, port } = await openStage(t);
  for (const defect of ['crashes at start', 'never gets ready', 'turns unhealthy'] as const) {
    await t.test(`a v3 that ${defect}`, (t) => assertKept(t, stage, defect, brokenDeploy('v3', defect, port, 'v1')));
  }
});
