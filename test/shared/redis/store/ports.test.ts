import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';

import type { InstanceStatus } from '../../../../shared/contracts/entities.ts';
import { createKeys } from '../../../../shared/redis/keys.ts';
import { portQuarantineMs } from '../../../../shared/redis/store/actions/create-instance.ts';
import { initialStatus } from '../../../../shared/state/instance-states.ts';
import {
  apply,
  create,
  join,
  lead,
  node,
  request,
  type StoreFixture,
  spec,
  startStores,
} from './support/store-fixture.ts';

const open = await startStores({ after });
const ports = { from: 20_000, to: 20_005 };

async function withService(t: Parameters<typeof open>[0]): Promise<StoreFixture> {
  const fixture = await open(t);
  await lead(fixture);
  await join(fixture, node('a', { ports }));
  await fixture.store.services.deploy('web', request(spec('web')));
  return fixture;
}

let sequence = 0;
function end({ store }: StoreFixture, instanceId: string, state: InstanceStatus['state'] = 'stopped') {
  const instances = [{ instanceId, status: { ...initialStatus, state } }];
  return store.instances.report('node-a', 's', { sequence: ++sequence, planVersion: 1, instances, router: null });
}

async function portOf({ store }: StoreFixture, id: string): Promise<number | null | undefined> {
  return (await store.instances.get(id))?.port;
}

/** As if the quarantine of every freed port had passed. */
async function passQuarantine({ client, prefix }: StoreFixture): Promise<void> {
  const freed = `${createKeys(prefix).ports('node-a')}:freed`;
  for (const port of await client.zrange(freed, '0', '-1')) {
    await client.zincrby(freed, -portQuarantineMs - 1, port);
  }
}

test('ports are taken in turn, and a freed one rests before it is given again', async (t) => {
  const fixture = await withService(t);
  for (let slot = 0; slot < 5; slot++) await apply(fixture, create(`i${slot}`, 'web', { slot }));
  assert.equal(await portOf(fixture, 'i0'), 20_000);
  await end(fixture, 'i0');
  assert.ok(await apply(fixture, create('i5', 'web', { slot: 5 })));
  assert.equal(await portOf(fixture, 'i5'), 20_005);
  assert.equal(await apply(fixture, create('i6', 'web', { slot: 6 })), false);
  await passQuarantine(fixture);
  assert.ok(await apply(fixture, create('i6', 'web', { slot: 6 })));
  assert.equal(await portOf(fixture, 'i6'), 20_000);
});

test('a node without a free port says so once, with its range', async (t) => {
  const fixture = await withService(t);
  for (let slot = 0; slot < 6; slot++) await apply(fixture, create(`i${slot}`, 'web', { slot }));
  assert.equal(await apply(fixture, create('i6', 'web', { slot: 6 })), false);
  assert.equal(await apply(fixture, create('i7', 'web', { slot: 6 })), false);
  const failures = (await fixture.store.events.tail(100)).filter(({ type }) => type === 'placement.failed');
  assert.deepEqual(
    failures.map(({ reason }) => reason),
    ['no free port in 20000-20005 on node a'],
  );
});

test('instances that share a port hold it until the last one has ended', async (t) => {
  const fixture = await withService(t);
  const shared = (id: string, slot: number) => apply(fixture, create(id, 'web', { slot, port: 'shared' }));
  await shared('i0', 0);
  await shared('i1', 1);
  assert.equal(await portOf(fixture, 'i0'), 20_000);
  assert.equal(await portOf(fixture, 'i1'), 20_000);
  await end(fixture, 'i0');
  await shared('i2', 2);
  assert.equal(await portOf(fixture, 'i2'), 20_000);
  await end(fixture, 'i1');
  await end(fixture, 'i2');
  await shared('i3', 3);
  assert.equal(await portOf(fixture, 'i3'), 20_001);
});

test('the port of a lost instance is held until its node has spoken again', async (t) => {
  const fixture = await withService(t);
  await apply(fixture, create('i0', 'web'));
  await apply(fixture, { type: 'loseInstance', instanceId: 'i0', reason: 'node lost' });
  const leased = () => fixture.client.hlen(createKeys(fixture.prefix).ports('node-a'));
  assert.equal(await leased(), 1);
  const running = [{ instanceId: 'i0', status: { ...initialStatus, state: 'running' as const } }];
  const { version } = await fixture.store.leader.snapshot();
  const report = { planVersion: version, router: null };
  await fixture.store.instances.report('node-a', 's', { ...report, sequence: ++sequence, instances: running });
  assert.equal(await leased(), 1, 'it still runs there');
  const early = { ...report, planVersion: version - 1, sequence: ++sequence, instances: [] };
  await fixture.store.instances.report('node-a', 's', early);
  assert.equal(await leased(), 1, 'the agent does not know of the loss yet');
  await fixture.store.instances.report('node-a', 's', { ...report, sequence: ++sequence, instances: [] });
  assert.equal(await leased(), 0);
});

test('an instance without a port leases none', async (t) => {
  const fixture = await withService(t);
  await apply(fixture, create('i0', 'web', { port: 'none' }));
  assert.equal(await portOf(fixture, 'i0'), null);
});

type Step = readonly ['create', 'own' | 'shared'] | readonly ['end', number] | readonly ['pass'];

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(fc.constant('create' as const), fc.constantFrom('own' as const, 'shared' as const)),
    },
    { weight: 3, arbitrary: fc.tuple(fc.constant('end' as const), fc.nat(9)) },
    { weight: 1, arbitrary: fc.constant(['pass'] as const) },
  ),
  { maxLength: 25 },
);

test('free, leased and resting ports make up the range after every step; no port has two owners', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, async (plan) => {
      const fixture = await withService(t);
      const live = new Map<string, 'own' | 'shared'>();
      const key = createKeys(fixture.prefix).ports('node-a');
      for (const [index, step] of plan.entries()) {
        if (step[0] === 'create') {
          const id = `i${index}`;
          if (await apply(fixture, create(id, 'web', { slot: index, port: step[1] }))) live.set(id, step[1]);
        } else if (step[0] === 'end') {
          const id = [...live.keys()][step[1] % Math.max(1, live.size)];
          if (id !== undefined && live.delete(id)) await end(fixture, id);
        } else await passQuarantine(fixture);

        const leased = await fixture.client.hgetall(key);
        const resting = await fixture.client.zrange(`${key}:freed`, '0', '-1');
        const counts = await fixture.client.hgetall(`${key}:counts`);
        const taken = [...Object.keys(leased), ...resting].map(Number);
        assert.equal(new Set(taken).size, taken.length, 'leased or resting, never both');
        assert.ok(taken.every((port) => port >= ports.from && port <= ports.to));
        const holders = new Map<string, string[]>();
        for (const id of live.keys()) {
          const port = String(await portOf(fixture, id));
          holders.set(port, [...(holders.get(port) ?? []), id]);
        }
        assert.deepEqual([...holders.keys()].sort(), Object.keys(leased).sort(), 'leased by the living only');
        for (const [port, ids] of holders) {
          assert.equal(Number(counts[port]), ids.length);
          if (ids.length > 1) assert.ok(ids.every((id) => live.get(id) === 'shared'));
        }
      }
    }),
    { numRuns: 15 },
  );
});
