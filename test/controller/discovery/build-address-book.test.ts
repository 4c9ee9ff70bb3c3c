import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildAddressBook } from '../../../controller/discovery/build-address-book.ts';
import type { Node, RoutedService, RouterStatus } from '../../../shared/contracts/entities.ts';

const node = (id: string, address: string, state: Node['state'] = 'ready') =>
  ({ id: `node-${id}`, name: id, address, state }) as Node;
const status = (id: string, listen: string, closed: number[] = []) =>
  ({
    nodeId: `node-${id}`,
    listen,
    errors: closed.map((port) => ({ port, code: 'EADDRINUSE' })),
  }) as unknown as RouterStatus;
const build = (nodes: Node[], routers: RouterStatus[], services: Pick<RoutedService, 'name' | 'routes'>[] = []) =>
  buildAddressBook({
    nodes,
    routers,
    routes: { epoch: 1, generation: 'g', services: services.map((one) => ({ ...one, endpoints: [] })) },
  });

test('a router that listens everywhere is reached at the address of its node, another where it listens', () => {
  const nodes = [node('b', '10.0.0.2'), node('a', '10.0.0.1'), node('c', '10.0.0.3')];
  const { routers } = build(nodes, [
    status('b', '0.0.0.0:80'),
    status('a', '10.9.0.1:81', [30_001, 30_000]),
    status('c', '127.0.0.1:82'),
  ]);
  assert.deepEqual(routers, [
    { node: 'a', address: '10.9.0.1', port: 81, isOwnNodeOnly: false, closedPorts: [30_000, 30_001] },
    { node: 'b', address: '10.0.0.2', port: 80, isOwnNodeOnly: false, closedPorts: [] },
    { node: 'c', address: '127.0.0.1', port: 82, isOwnNodeOnly: true, closedPorts: [] },
  ]);
});

test('hosts of one machine reach each other over loopback', () => {
  const { routers } = build([node('a', '127.0.0.11'), node('b', '127.0.0.12')], [status('a', '127.0.0.1:80')]);
  assert.equal(routers[0]?.isOwnNodeOnly, false);
});

test('lost and unknown nodes have no router', () => {
  const { routers } = build([node('a', '10.0.0.1', 'lost')], [status('a', '0.0.0.0:80'), status('x', '0.0.0.0:80')]);
  assert.deepEqual(routers, []);
});

test('a port of its own goes before a shared path, and what needs the name of a host has no address', () => {
  const { services } = build(
    [node('a', '10.0.0.1')],
    [],
    [
      { name: 'api', routes: [{ path: '/api' }, { port: 30_000 }] },
      { name: 'shop', routes: [{ host: 'shop.example' }] },
    ],
  );
  assert.deepEqual(services, { api: [{ port: 30_000 }, { path: '/api' }] });
});
