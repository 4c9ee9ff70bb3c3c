import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouterStatus } from '../../../shared/contracts/entities.ts';
import { decideOn, makeDeployment, makeInstance, makeRouter, makeService, makeSpec, only } from './cluster-fixture.ts';

const taken: Partial<RouterStatus> = { errors: [{ port: 3000, code: 'EADDRINUSE' }], epoch: 1 };

/** Revision 2 is in place, healthy and routed on port 3000; what is left is to call its deployment a success. */
function complete(routesBefore: { port: number }[], router: Partial<RouterStatus>) {
  const endpoints = [{ instanceId: 'a', revision: 2, address: '127.0.1.1', port: 20_000, weight: 1 }];
  const parts = {
    services: [makeService({ target: { revision: 2, generation: 0 }, deploymentId: 'd1', lastRevision: 2 })],
    specs: [makeSpec({ routes: routesBefore }), makeSpec({ routes: [{ port: 3000 }] })],
    deployments: [makeDeployment({ progress: { total: 1, updated: 1, healthy: 1 } })],
    instances: [makeInstance('a', { revision: 2, deploymentId: 'd1', status: { port: 20_000 } })],
    routers: [makeRouter('n0', router)],
    routes: { epoch: 1, generation: 'g', services: [{ name: 'web', routes: [{ port: 3000 }], endpoints }] },
  };
  return only(decideOn(parts), 'updateDeployment')[0];
}

test('a deployment whose new route no router can listen on fails and names port and host', () => {
  const step = complete([], taken);
  assert.equal(step?.state, 'rolling-back');
  assert.match(step?.reason ?? '', /router on n0 cannot listen on port 3000 .*another process/);
});

test('with the port bound the same deployment succeeds', () => {
  assert.equal(complete([], {})?.state, 'succeeded');
});

test('a port that the service had before is not held against the deployment', () => {
  assert.equal(complete([{ port: 3000 }], taken)?.state, 'succeeded');
});
