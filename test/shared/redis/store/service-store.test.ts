import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { createKeys } from '../../../../shared/redis/keys.ts';
import { initialStatus } from '../../../../shared/state/instance-states.ts';
import { eventually } from '../../../support/eventually.ts';
import { apply, create, join, lead, node, request, spec, startStores } from './support/store-fixture.ts';

const open = await startStores({ after });
const actor = 'user:admin';

test('a first deploy makes revision 1, a target and a deployment', async (t) => {
  const { store } = await open(t);
  const accepted = await store.services.deploy('web', request(spec('web')));
  const service = await store.services.get('web');
  assert.equal(accepted.revision, 1);
  assert.deepEqual(service?.target, { revision: 1, generation: 0 });
  assert.equal(service?.stable, null);
  assert.equal(service?.deploymentId, accepted.deploymentId);
  const deployment = await store.deployments.get(accepted.deploymentId!);
  assert.equal(deployment?.state, 'rolling');
  assert.deepEqual(deployment?.failures, []);
});

test('a spec comes back as it was: empty lists and objects, unicode and large numbers', async (t) => {
  const { store } = await open(t);
  const odd = spec('odd', {
    args: [],
    env: { EMPTY: '', TEXT: 'käse \u2028 \ud83d\ude00 "{}" [] \\' },
    placement: { resources: { cpu: 0.1 + 0.2, memoryBytes: Number.MAX_SAFE_INTEGER }, constraints: [] },
  });
  await store.services.deploy('odd', request(odd));
  assert.deepEqual((await store.services.getRevision('odd', 1))?.spec, odd);
  assert.deepEqual((await store.leader.snapshot()).revisions[0]?.spec, odd);
});

test('deploying the same again changes nothing and names the deployment in progress', async (t) => {
  const { store } = await open(t);
  const first = await store.services.deploy('web', request(spec('web')));
  assert.deepEqual(await store.services.deploy('web', request(spec('web'))), first);
  assert.equal((await store.services.listRevisions('web')).length, 1);
});

test('a new spec supersedes the deployment in progress', async (t) => {
  const { store } = await open(t);
  const first = await store.services.deploy('web', request(spec('web')));
  const second = await store.services.deploy('web', request(spec('web', { script: 'other.js' })));
  assert.equal(second.revision, 2);
  assert.equal((await store.deployments.get(first.deploymentId!))?.state, 'superseded');
  assert.deepEqual(
    (await store.leader.snapshot()).deployments.map(({ id }) => id),
    [second.deploymentId],
  );
});

test('the newest deployment is the last one begun, also when the clock has gone back since', async (t) => {
  const { store, client, prefix } = await open(t);
  const keys = createKeys(prefix);
  const first = await store.services.deploy('web', request(spec('web')));
  const later = String(Date.now() + 3_600_000);
  await client.zadd(keys.deploymentOrder, later, first.deploymentId!);
  await client.zadd(keys.deploymentsOf('web'), later, first.deploymentId!);
  const second = await store.services.deploy('web', request(spec('web', { script: 'other.js' })));
  const listed = await store.deployments.list({ service: 'web', limit: 2 });
  assert.deepEqual(
    listed.map(({ id }) => id),
    [second.deploymentId, first.deploymentId],
  );
});

test('only the scale differs: the revision stays', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  const { deploymentId } = await store.services.deploy('web', request(spec('web')));
  await succeed(fixture, deploymentId!);
  const scaled = await store.services.deploy('web', request(spec('web', { scale: { instances: 5 } })));
  assert.equal(scaled.revision, 1);
  assert.equal((await store.deployments.get(scaled.deploymentId!))?.kind, 'scale');
  assert.equal((await store.services.get('web'))?.scale.instances, 5);
  assert.equal((await store.services.listRevisions('web')).length, 1);
});

test('a deploy that fails leaves the count as it was, raised or lowered, and says that it went back', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  const { deploymentId } = await store.services.deploy('web', request(spec('web', { scale: { instances: 3 } })));
  await succeed(fixture, deploymentId!);
  for (const instances of [6, 1]) {
    const broken = spec('web', { script: `broken-${instances}.js`, scale: { instances } });
    const next = await store.services.deploy('web', request(broken));
    assert.equal((await store.services.get('web'))?.scale.instances, instances);
    await rollBack(fixture, next.deploymentId!);
    assert.equal((await store.services.get('web'))?.scale.instances, 3);
  }
  const scaled = (await store.events.read({ after: null, limit: 100 })).filter(({ type }) => type === 'service.scaled');
  assert.deepEqual(
    scaled.map(({ data }) => data),
    [
      { from: { instances: 6 }, to: { instances: 3 } },
      { from: { instances: 1 }, to: { instances: 3 } },
    ],
  );
});

test('a count that a user asks for while a deploy is under way stays when the deploy fails', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  const { deploymentId } = await store.services.deploy('web', request(spec('web', { scale: { instances: 3 } })));
  await succeed(fixture, deploymentId!);
  for (const [script, asked] of [
    ['other', 4],
    ['same as deployed', 6],
  ] as const) {
    const next = await store.services.deploy('web', request(spec('web', { script, scale: { instances: 6 } })));
    await store.services.scale('web', { instances: asked }, actor);
    await rollBack(fixture, next.deploymentId!);
    assert.equal((await store.services.get('web'))?.scale.instances, asked, script);
  }
});

test('deploys that supersede each other and fail go back to the count that succeeded last', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  const { deploymentId } = await store.services.deploy('web', request(spec('web', { scale: { instances: 3 } })));
  await succeed(fixture, deploymentId!);
  await store.services.deploy('web', request(spec('web', { script: 'a.js', scale: { instances: 6 } })));
  const last = await store.services.deploy('web', request(spec('web', { script: 'b.js', scale: { instances: 8 } })));
  await rollBack(fixture, last.deploymentId!);
  assert.equal((await store.services.get('web'))?.scale.instances, 3);
});

test('a rollback in the middle of a deploy takes its count back too; after its success the count stays', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  const first = await store.services.deploy('web', request(spec('web', { scale: { instances: 3 } })));
  await succeed(fixture, first.deploymentId!);
  const wider = spec('web', { script: 'other.js', scale: { instances: 6 } });
  await store.services.deploy('web', request(wider));
  const back = await store.services.deploy('web', request(wider, { kind: 'rollback' }));
  assert.equal((await store.services.get('web'))?.scale.instances, 3);
  await succeed(fixture, back.deploymentId!);

  const again = await store.services.deploy('web', request(wider));
  await succeed(fixture, again.deploymentId!);
  await store.services.deploy('web', request(wider, { kind: 'rollback', toRevision: 1 }));
  assert.equal((await store.services.get('web'))?.scale.instances, 6);
});

test('a service that was stored without the count that succeeded last has the one with which it succeeded', async (t) => {
  const fixture = await open(t);
  const { store, client, prefix } = fixture;
  const { services } = createKeys(prefix);
  await lead(fixture);
  const { deploymentId } = await store.services.deploy('web', request(spec('web', { scale: { instances: 3 } })));
  await succeed(fixture, deploymentId!);
  for (const script of ['broken.js', 'server.js']) {
    const { stableScale: _, ...before } = (await store.services.get('web'))!;
    await client.hset(services, 'web', JSON.stringify(before));
    const next = await store.services.deploy('web', request(spec('web', { script, scale: { instances: 6 } })));
    await rollBack(fixture, next.deploymentId!);
    assert.equal((await store.services.get('web'))?.scale.instances, 3, script);
  }
});

test('a count that was being deployed when the service was stopped is its count once it was started', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  const { deploymentId } = await store.services.deploy('web', request(spec('web', { scale: { instances: 3 } })));
  await succeed(fixture, deploymentId!);
  await store.services.deploy('web', request(spec('web', { scale: { instances: 6 } })));
  await store.services.setStopped('web', true, actor);
  await store.services.setStopped('web', false, actor);
  const next = await store.services.deploy('web', request(spec('web', { script: 'x.js', scale: { instances: 6 } })));
  await rollBack(fixture, next.deploymentId!);
  assert.equal((await store.services.get('web'))?.scale.instances, 6);
});

test('a target that never succeeded is tried again in a new generation', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  const first = await store.services.deploy('web', request(spec('web')));
  await end(fixture, first.deploymentId!, 'failed');
  const again = await store.services.deploy('web', request(spec('web')));
  assert.notEqual(again.deploymentId, null);
  assert.deepEqual((await store.services.get('web'))?.target, { revision: 1, generation: 1 });
});

test('ifRevision refuses a deploy that was made for another revision', async (t) => {
  const { store } = await open(t);
  await store.services.deploy('web', request(spec('web'), { ifRevision: 0 }));
  await assert.rejects(store.services.deploy('web', request(spec('web', { args: ['x'] }), { ifRevision: 0 })), {
    code: 'REVISION_CONFLICT',
  });
});

test('an idempotency key answers the same request the same, and refuses another', async (t) => {
  const { store } = await open(t);
  const first = await store.services.deploy('web', request(spec('web'), { idempotencyKey: 'k' }));
  await store.services.deploy('web', request(spec('web', { args: ['x'] })));
  assert.deepEqual(await store.services.deploy('web', request(spec('web'), { idempotencyKey: 'k' })), first);
  await assert.rejects(store.services.deploy('web', request(spec('web', { args: ['y'] }), { idempotencyKey: 'k' })), {
    code: 'IDEMPOTENCY_MISMATCH',
  });
  assert.equal((await store.services.get('web'))?.lastRevision, 2);
});

test('many deploys at once each get a revision of their own', async (t) => {
  const { store } = await open(t);
  const accepted = await Promise.all(
    Array.from({ length: 8 }, (_, index) => store.services.deploy('web', request(spec('web', { args: [`${index}`] })))),
  );
  assert.deepEqual(accepted.map(({ revision }) => revision).sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal((await store.leader.snapshot()).deployments.length, 1);
});

test('reload and restart begin a generation; asked twice they are one', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  const web = spec('web');
  await succeed(fixture, (await store.services.deploy('web', request(web))).deploymentId!);
  const reload = await store.services.renew('web', 'reload', web.update, actor);
  assert.deepEqual(await store.services.renew('web', 'reload', web.update, actor), reload);
  assert.deepEqual((await store.services.get('web'))?.target, { revision: 1, generation: 1 });
  await store.services.setStopped('web', true, actor);
  await assert.rejects(store.services.renew('web', 'restart', web.update, actor), { code: 'STATE_CONFLICT' });
});

test('a restart after one that failed is a generation of its own: what is left of the first is restarted too', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  await join(fixture, node('a'));
  const web = spec('web');
  await succeed(fixture, (await store.services.deploy('web', request(web))).deploymentId!);
  const first = await store.services.renew('web', 'restart', web.update, actor);
  await apply(fixture, create('i1', 'web', { target: { revision: 1, generation: 1 } }));
  await rollBack(fixture, first.deploymentId!);
  assert.equal((await store.services.get('web'))?.target.generation, 0);
  await store.services.renew('web', 'restart', web.update, actor);
  assert.equal((await store.services.get('web'))?.target.generation, 2);
});

test('a start, and a deploy of the same, name what had finished so that it runs once more; asked again they change nothing', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  await join(fixture, node('a'));
  const { deploymentId } = await store.services.deploy('web', request(spec('web')));
  await succeed(fixture, deploymentId!);
  const finish = async (id: string, sequence: number) => {
    await apply(fixture, create(id, 'web'));
    const status = { ...initialStatus, state: 'stopped' as const, finished: true };
    const report = { sequence, planVersion: 1, instances: [{ instanceId: id, status }], router: null };
    await store.instances.report('node-a', 's', report);
  };
  const startedAgain = async () => (await store.services.get('web'))?.startedAgain;

  await finish('i1', 1);
  await store.services.setStopped('web', false, actor);
  assert.deepEqual(await startedAgain(), ['i1']);
  const { version } = await store.leader.snapshot();
  await store.services.setStopped('web', false, actor);
  assert.deepEqual((await store.services.deploy('web', request(spec('web')))).deploymentId, null);
  assert.equal((await store.leader.snapshot()).version, version);

  await finish('i2', 2);
  const again = await store.services.deploy('web', request(spec('web')));
  assert.deepEqual((await startedAgain())?.toSorted(), ['i1', 'i2']);
  const deployment = await store.deployments.get(again.deploymentId!);
  assert.deepEqual([deployment?.kind, deployment?.to.generation], ['deploy', 0], 'what runs is not replaced');
  await succeed(fixture, again.deploymentId!);

  await finish('i3', 3);
  await store.services.setStopped('web', true, actor);
  await store.services.setStopped('web', false, actor);
  assert.ok((await startedAgain())?.includes('i3'));
});

test('a rollback by a user runs once more what had finished, unless it only takes back a deploy under way', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  await join(fixture, node('a'));
  const first = await store.services.deploy('web', request(spec('web')));
  await succeed(fixture, first.deploymentId!);
  await apply(fixture, create('i1', 'web'));
  const status = { ...initialStatus, state: 'stopped' as const, finished: true };
  const instances = [{ instanceId: 'i1', status }];
  await store.instances.report('node-a', 's', { sequence: 1, planVersion: 1, instances, router: null });
  const other = spec('web', { script: 'other.js' });
  const back = request(other, { kind: 'rollback', toRevision: 1 });

  await store.services.deploy('web', request(other));
  const taken = await store.services.deploy('web', back);
  assert.deepEqual((await store.services.get('web'))?.startedAgain ?? [], []);
  await succeed(fixture, taken.deploymentId!);
  await succeed(fixture, (await store.services.deploy('web', request(other))).deploymentId!);
  await store.services.deploy('web', back);
  assert.deepEqual((await store.services.get('web'))?.startedAgain, ['i1']);
});

test('a service stopped before its target succeeded starts with a deployment, which may be rolled back', async (t) => {
  const { store } = await open(t);
  await store.services.deploy('web', request(spec('web')));
  await store.services.setStopped('web', true, actor);
  const { deploymentId: id } = await store.services.setStopped('web', false, actor);
  const service = await store.services.get('web');
  assert.ok(id !== null && id === service?.deploymentId);
  assert.deepEqual(service.target, { revision: 1, generation: 1 });
  const { kind, from, to, state } = (await store.deployments.get(id))!;
  assert.deepEqual({ kind, from, to, state }, { kind: 'deploy', from: null, to: service.target, state: 'rolling' });
});

test('a rollback goes to the last revision that succeeded before the target', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  await succeed(fixture, (await store.services.deploy('web', request(spec('web')))).deploymentId!);
  const second = spec('web', { args: ['2'] });
  await succeed(fixture, (await store.services.deploy('web', request(second))).deploymentId!);
  const back = await store.services.deploy('web', request(second, { kind: 'rollback' }));
  assert.equal(back.revision, 1);
  assert.equal((await store.deployments.get(back.deploymentId!))?.kind, 'rollback');
  await assert.rejects(store.services.deploy('web', request(second, { kind: 'rollback', toRevision: 9 })), {
    code: 'REVISION_NOT_FOUND',
  });
});

test('a deleted service refuses changes, and its revision numbers never come back', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  await store.services.deploy('web', request(spec('web')));
  assert.equal(await apply(fixture, { type: 'removeService', service: 'web' }), false);
  await store.services.markDeleted('web', actor);
  await assert.rejects(store.services.deploy('web', request(spec('web'))), { code: 'STATE_CONFLICT' });
  assert.equal(await apply(fixture, { type: 'removeService', service: 'web' }), true);
  assert.equal(await apply(fixture, { type: 'removeService', service: 'web' }), true);
  assert.equal(await store.services.get('web'), null);
  assert.deepEqual(await store.deployments.list({ limit: 10 }), []);
  assert.equal((await store.services.deploy('web', request(spec('web')))).revision, 2);
});

test('old revisions are forgotten, except those in use', async (t) => {
  const fixture = await open(t);
  const { store } = fixture;
  await lead(fixture);
  await join(fixture, node('a'));
  await succeed(fixture, (await store.services.deploy('web', request(spec('web')))).deploymentId!);
  await store.services.deploy('web', request(spec('web', { args: ['live'] })));
  assert.ok(await apply(fixture, create('i2', 'web', { target: { revision: 2, generation: 0 } })));
  for (let index = 3; index <= 16; index++) {
    await store.services.deploy('web', request(spec('web', { args: [`${index}`] })));
  }
  const kept = (await store.services.listRevisions('web')).map(({ revision }) => revision);
  assert.deepEqual(kept, [16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 2, 1]);
});

test('an unknown service is named in the refusal', async (t) => {
  const { store } = await open(t);
  await assert.rejects(store.services.scale('nope', { instances: 1 }, actor), { code: 'SERVICE_NOT_FOUND' });
});

test('a write of desired state counts the version up and wakes the listeners', async (t) => {
  const { store } = await open(t);
  const kinds: string[] = [];
  store.onWake(({ kind }) => kinds.push(kind));
  await eventually(() => assert.ok(kinds.includes('reconnected')));
  const before = (await store.leader.snapshot()).version;
  await store.services.deploy('web', request(spec('web')));
  await eventually(() => assert.ok(kinds.includes('desired')));
  assert.equal((await store.leader.snapshot()).version, before + 1);
});

type Fixture = Awaited<ReturnType<typeof open>>;

async function end(fixture: Fixture, deploymentId: string, state: 'succeeded' | 'failed'): Promise<void> {
  const target = (await fixture.store.deployments.get(deploymentId))!.to;
  const fits = await apply(fixture, {
    type: 'updateDeployment',
    deploymentId,
    state,
    reason: '',
    failures: [],
    progress: { total: 1, updated: 1, healthy: 1 },
    ...(state === 'succeeded' ? { service: { target, stable: target } } : {}),
  });
  assert.ok(fits);
}

function succeed(fixture: Fixture, deploymentId: string): Promise<void> {
  return end(fixture, deploymentId, 'succeeded');
}

/** As the leader does it: the target goes back, and when that has come about the deployment ends. */
async function rollBack(fixture: Fixture, deploymentId: string): Promise<void> {
  const { from } = (await fixture.store.deployments.get(deploymentId))!;
  const step = { type: 'updateDeployment', deploymentId, reason: 'slot 0: exited with code 1', failures: [] } as const;
  const progress = { total: 1, updated: 1, healthy: 1 };
  const service = { target: from!, stable: from };
  for (const state of ['rolling-back', 'rolled-back'] as const) {
    assert.ok(await apply(fixture, { ...step, state, progress, service }));
  }
}
