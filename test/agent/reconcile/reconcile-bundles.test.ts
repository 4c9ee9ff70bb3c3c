import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BundlesView, reconcileBundles } from '../../../agent/reconcile/reconcile-bundles.ts';

const wanted = { instanceId: 'a', bundle: 'web@1', ended: false };
const worker = (instanceId: string, phase: 'ready' | 'stopping' | 'exited' | 'errored' = 'ready') => ({
  instanceId,
  phase,
});
const bundle = (
  state: 'absent' | 'connecting' | 'connected' | 'orphaned',
  ...workers: ReturnType<typeof worker>[]
) => ({
  key: 'web@1',
  state,
  workers,
});
const kinds = (view: BundlesView) => reconcileBundles(view).map(({ kind }) => kind);

test('nothing goes before a controller has confirmed the plan', () => {
  for (const state of ['absent', 'connecting', 'connected', 'orphaned'] as const) {
    assert.deepEqual(kinds({ confirmed: false, wanted: [], bundles: [bundle(state, worker('a'))] }), []);
  }
});

const table = [
  { title: 'a wanted worker stays', wanted: [wanted], bundle: bundle('connected', worker('a')), steps: [] },
  {
    title: 'a worker that no plan knows is stopped',
    wanted: [],
    bundle: bundle('connected', worker('a')),
    steps: ['stopWorker'],
  },
  { title: 'it is asked once', wanted: [], bundle: bundle('connected', worker('a', 'stopping')), steps: [] },
  {
    title: 'when it has ended it is forgotten',
    wanted: [],
    bundle: bundle('connected', worker('a', 'exited')),
    steps: ['forgetWorker'],
  },
  {
    title: 'the end of a wanted worker is kept until it was seen',
    wanted: [{ ...wanted, ended: true }],
    bundle: bundle('connected', worker('a', 'errored')),
    steps: [],
  },
  { title: 'a shim without work ends', wanted: [], bundle: bundle('connected'), steps: ['shutdownShim'] },
  { title: 'a shim that is about to get work stays', wanted: [wanted], bundle: bundle('connected'), steps: [] },
  { title: 'what a dead shim has left is ended', wanted: [wanted], bundle: bundle('orphaned'), steps: ['killOrphans'] },
  {
    title: 'a shim that does not answer is left alone',
    wanted: [],
    bundle: bundle('connecting', worker('a')),
    steps: [],
  },
  {
    title: 'the directory of a bundle that nobody wants goes',
    wanted: [],
    bundle: bundle('absent'),
    steps: ['removeBundle'],
  },
  { title: 'the directory of a wanted bundle stays', wanted: [wanted], bundle: bundle('absent'), steps: [] },
] as const;

for (const row of table) {
  test(row.title, () => {
    assert.deepEqual(kinds({ confirmed: true, wanted: row.wanted, bundles: [row.bundle] }), row.steps);
  });
}
