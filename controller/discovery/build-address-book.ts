import { isIP } from 'node:net';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import type { AddressBook, RouterAddress, ServiceRoute } from '../../shared/coordination/discovery/address-book.ts';

/** Where the routers of a cluster answer for which service. Equal snapshots give equal text. */
export function buildAddressBook({
  nodes,
  routers,
  routes,
}: Pick<Snapshot, 'nodes' | 'routers' | 'routes'>): AddressBook {
  // On one machine the hosts have loopback addresses themselves, and reach each other's.
  const isOneMachine = nodes.every(({ address }) => isLoopback(address));
  const found: RouterAddress[] = [];
  for (const { nodeId, listen, errors } of routers) {
    const node = nodes.find(({ id }) => id === nodeId);
    if (node === undefined || node.state === 'lost') continue;
    const colon = listen.lastIndexOf(':');
    const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
    found.push({
      node: node.name,
      address: host === '0.0.0.0' || host === '::' ? node.address : host,
      port: Number(listen.slice(colon + 1)),
      isOwnNodeOnly: isLoopback(host) && !isOneMachine,
      closedPorts: errors.map(({ port }) => port).sort((a, b) => a - b),
    });
  }
  const services: Record<string, readonly ServiceRoute[]> = {};
  for (const service of routes.services) {
    // What is told apart by the name that a browser asks for has no address of its own.
    const plain = service.routes.filter(({ host }) => host === undefined);
    plain.sort((a, b) => Number(a.port === undefined) - Number(b.port === undefined));
    if (plain.length > 0) {
      services[service.name] = plain.map(({ port, path }) => ({
        ...(port === undefined ? {} : { port }),
        ...(path === undefined ? {} : { path }),
      }));
    }
  }
  return { routers: found.sort((a, b) => (a.node < b.node ? -1 : 1)), services };
}

function isLoopback(address: string): boolean {
  if (address === 'localhost' || address === '::1') return true;
  return isIP(address) === 4 && address.startsWith('127.');
}
