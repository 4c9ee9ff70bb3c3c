import { test } from 'node:test';
import { rollingDeploys } from '../../scripts/story/scenes.ts';
import { assertKept, openStage } from './open-stage.ts';

test('twenty rolling deploys in a row under mixed load fail no request, and after each only the new version answers', async (t) => {
  const { stage, port } = await openStage(t);
  const versions = Array.from({ length: 20 }, (_, index) => `v${index + 2}`);
  await assertKept(t, stage, 'rolling deploys', rollingDeploys(versions, port));
});
