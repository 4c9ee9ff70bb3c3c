import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instance } from '../../../shared/contracts/entities.ts';
import { stateRank } from '../../../shared/state/instance-states.ts';
import {
  type ClusterParts,
  decideOn,
  makeDeployment,
  makeInstance,
  makeNode,
  makeService,
  makeSpec,
  only,
} from './cluster-fixture.ts';

const states = Object.keys(stateRank) as (keyof typeof stateRank)[];

const instances: fc.Arbitrary<Instance[]> = fc
  .array(
    fc.record({
      slot: fc.integer({ min: 0, max: 9 }),
      revision: fc.constantFrom(1, 2),
      node: fc.integer({ min: 0, max: 4 }),
      desired: fc.constantFrom('run' as const, 'run' as const, 'drain' as const, 'stop' as const),
      state: fc.constantFrom(...states, 'running' as const, 'running' as const),
      health: fc.constantFrom('healthy' as const, 'healthy' as const, 'unhealthy' as const, 'unknown' as const),
    }),
    { maxLength: 40 },
  )
  .map((list) =>
    list.map(({ node, state, health, ...rest }, index) =>
      makeInstance(`i${index}`, {
        ...rest,
        nodeId: `n${node}`,
        port: 20_000 + index,
        deploymentId: rest.revision === 2 ? 'd1' : null,
        createdAt: index + 1,
        status: { state, health },
      }),
    ),
  );

const clusters: fc.Arbitrary<ClusterParts> = fc
  .record({
    instances,
    count: fc.integer({ min: 0, max: 200 }),
    order: fc.constantFrom('start-first' as const, 'stop-first' as const),
    state: fc.constantFrom('rolling' as const, 'paused' as const, 'rolling-back' as const, null),
    hosts: fc.constantFrom(undefined, 2, 'all' as const),
    nodeStates: fc.array(fc.constantFrom('ready' as const, 'disconnected' as const, 'lost' as const), {
      minLength: 4,
      maxLength: 4,
    }),
    routed: fc.boolean(),
  })
  .map(({ instances: list, count, order, state, hosts, nodeStates, routed }) => {
    const scale = { instances: count, ...(hosts === undefined ? {} : { hosts }) };
    const spec = makeSpec({ scale, update: { order, maxFailures: 1_000 }, routes: routed ? [{ path: '/' }] : [] });
    const target = { revision: state === 'rolling-back' ? 1 : 2, generation: 0 };
    return {
      nodes: nodeStates.map((nodeState, index) => makeNode(`n${index}`, { state: nodeState })),
      specs: [spec, spec],
      services: [makeService({ target, scale, deploymentId: state === null ? null : 'd1', lastRevision: 2 })],
      deployments: state === null ? [] : [makeDeployment({ state, update: spec.update })],
      instances: list,
    };
  });

test('a pass is bounded, repeatable, and fills no slot twice', () => {
  fc.assert(
    fc.property(clusters, (parts) => {
      const actions = decideOn(parts);
      assert.ok(actions.length <= 100);
      assert.deepEqual(decideOn(parts), actions);
      const slots = only(actions, 'createInstance').map(({ slot }) => slot);
      assert.equal(new Set(slots).size, slots.length);
      const asked = only(actions, 'setDesired').map(({ instanceId }) => instanceId);
      assert.equal(new Set(asked).size, asked.length);
    }),
    { numRuns: 300 },
  );
});

test('start-first takes no healthy instance from a wanted slot that has no other', () => {
  fc.assert(
    fc.property(clusters, (parts) => {
      const [service] = parts.services ?? [];
      if (parts.specs?.[0]?.update.order === 'stop-first' || service?.scale.hosts !== undefined) return;
      const count = Number(service?.scale.instances);
      const serving = (parts.instances ?? []).filter(
        ({ desired, status, nodeId, slot }) =>
          slot < count &&
          desired === 'run' &&
          status.state === 'running' &&
          status.health === 'healthy' &&
          parts.nodes?.some(({ id, state }) => id === nodeId && state !== 'lost'),
      );
      const taken = new Set(only(decideOn(parts), 'setDesired').map(({ instanceId }) => instanceId));
      const slotsOf = (list: readonly Instance[]) => new Set(list.map(({ slot }) => slot));
      const left = slotsOf(serving.filter(({ id }) => !taken.has(id)));
      assert.deepEqual(
        [...slotsOf(serving)].filter((slot) => !left.has(slot)),
        [],
      );
    }),
    { numRuns: 300 },
  );
});
