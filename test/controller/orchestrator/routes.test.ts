import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instance, RoutedService } from '../../../shared/contracts/entities.ts';
import { decideOn, makeInstance, makeNode, makeRouter, makeService, makeSpec, only } from './cluster-fixture.ts';

const routes = [{ path: '/' }];

function publish(
  instances: readonly Instance[],
  current: readonly RoutedService[] = [],
  execMode: 'fork' | 'cluster' = 'fork',
) {
  const actions = decideOn({
    nodes: [makeNode('n0'), makeNode('n1', { state: 'lost' })],
    specs: [makeSpec({ routes, execMode })],
    services: [makeService({ scale: { instances: instances.length } })],
    instances,
    routes: { epoch: 1, generation: 'g', services: [...current] },
  });
  return only(actions, 'publishRoutes')[0];
}

function endpointsOf(instances: readonly Instance[], execMode: 'fork' | 'cluster' = 'fork') {
  return publish(instances, [], execMode)?.services[0]?.endpoints ?? [];
}

test('only running, healthy instances on nodes that are not lost are routed', () => {
  const instances = [
    makeInstance('good', { slot: 0 }),
    makeInstance('starting', { slot: 1, port: 20_001, status: { state: 'starting', health: 'unknown' } }),
    makeInstance('sick', { slot: 2, port: 20_002, status: { health: 'unhealthy', healthyForMs: 0 } }),
    makeInstance('young', { slot: 3, port: 20_003, status: { healthyForMs: 100 } }),
    makeInstance('away', { slot: 4, nodeId: 'n1' }),
    makeInstance('leaving', { slot: 5, port: 20_005, desired: 'drain' }),
  ];
  assert.deepEqual(
    endpointsOf(instances).map(({ instanceId }) => instanceId),
    ['good'],
  );
});

test('equal content publishes no new epoch', () => {
  const instances = [makeInstance('a')];
  const services = publish(instances)?.services ?? [];
  assert.equal(publish(instances, services), undefined);
});

test('the last endpoints are kept when none is healthy', () => {
  const services = publish([makeInstance('a')])?.services ?? [];
  const sick = makeInstance('a', { status: { health: 'unhealthy', healthyForMs: 0 } });
  assert.equal(publish([sick], services), undefined);
});

test('an unhealthy one leaves while another is healthy', () => {
  const services = publish([makeInstance('a'), makeInstance('b', { slot: 1, port: 20_001 })])?.services ?? [];
  const sick = makeInstance('a', { status: { health: 'unhealthy', healthyForMs: 0 } });
  const next = publish([sick, makeInstance('b', { slot: 1, port: 20_001 })], services);
  assert.deepEqual(
    next?.services[0]?.endpoints.map(({ instanceId }) => instanceId),
    ['b'],
  );
});

test('cluster instances that share a port are one endpoint with their number as weight', () => {
  const [endpoint, ...others] = endpointsOf([makeInstance('b', { slot: 1 }), makeInstance('a')], 'cluster');
  assert.deepEqual(others, []);
  assert.equal(endpoint?.instanceId, 'a');
  assert.equal(endpoint?.weight, 2);
});

test('a router that has a table which the store has lost gets another, also of equal content', () => {
  const instances = [makeInstance('a')];
  const services = publish(instances)?.services ?? [];
  const publishWith = (epoch: number, generation = 'g') =>
    only(
      decideOn({
        specs: [makeSpec({ routes })],
        instances,
        routers: [makeRouter('n0', { epoch, generation })],
        routes: { epoch: 5, generation: 'g', services: [...services] },
      }),
      'publishRoutes',
    );
  assert.deepEqual(publishWith(5), []);
  assert.deepEqual(publishWith(6, 'before it was set up anew'), []);
  assert.equal(publishWith(6)[0]?.reason, 'a router has a table that the store has lost');
});
