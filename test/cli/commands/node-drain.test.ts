import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError } from '../../../shared/contracts/drover-error.ts';
import { startFakeRest } from '../../support/fake-rest.ts';
import { runCliHere } from '../../support/run-cli-here.ts';
import { sampleInstance, sampleNode } from '../../support/sample-entities.ts';

test('a drain is watched on when the controllers or the store were away meanwhile', async (t) => {
  let looks = 0;
  const fake = await startFakeRest(t, {
    listNodes: () => [sampleNode({ name: 'web-1' })],
    updateNode: () => sampleNode({ name: 'web-1', eligibility: 'draining' }),
    listInstances() {
      looks += 1;
      if (looks === 2) throw new DroverError('STORE_UNREACHABLE', 'Redis cannot be reached');
      return looks === 1 ? [sampleInstance()] : [];
    },
  });
  const { code, stdout, stderr } = await runCliHere(t, ['node', 'drain', 'web-1'], { urls: [fake.url] });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^draining web-1: 1 instance left\ndraining web-1: 0 instances left\nweb-1 is empty/);
});
