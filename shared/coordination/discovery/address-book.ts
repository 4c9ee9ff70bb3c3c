import type { Redis } from 'ioredis';

import { defineScript } from '../../redis/script.ts';

/** Where services are reached: the leader writes it, workers read it. */
export interface AddressBook {
  readonly routers: readonly RouterAddress[];
  /** By name of the service; of one without a route nothing is known. */
  readonly services: Readonly<Record<string, readonly ServiceRoute[]>>;
}

export interface RouterAddress {
  readonly node: string;
  /** As workers of other nodes reach it. */
  readonly address: string;
  /** Of the listener that routes without a port of their own share. */
  readonly port: number;
  /** It listens on a loopback address: workers of other nodes do not reach it. */
  readonly isOwnNodeOnly: boolean;
  /** Ports of routes that it could not open. */
  readonly closedPorts: readonly number[];
}

/** A port of its own, or a path on the listener that routes share. */
export interface ServiceRoute {
  readonly port?: number;
  readonly path?: string;
}

export function discoveryKeys(prefix: string): { readonly book: string; readonly wakeChannel: string } {
  return { book: `${prefix}:discovery`, wakeChannel: `${prefix}:discovery:wake` };
}

/** A leader whose term is over changes nothing. Repeating it changes nothing either. */
export const publishAddresses = defineScript<{
  keys: [book: string];
  args: [term: number, book: string, channel: string];
  reply: 0 | 1 | 2;
}>({ name: 'publish-addresses', file: new URL('./scripts/publish-addresses.lua', import.meta.url), numberOfKeys: 1 });

/** Null before a leader has written it. Rejects when Redis does not answer. */
export async function readAddressBook(redis: Redis, prefix: string): Promise<AddressBook | null> {
  const text = await redis.hget(discoveryKeys(prefix).book, 'book');
  return text === null ? null : (JSON.parse(text) as AddressBook);
}

/**
 * The base URLs of a service, for a caller on a node: the router of that node first, then those of the others. Empty
 * where the service has no route, or no router can be reached.
 */
export function findUrls(book: AddressBook, service: string, node: string): string[] {
  const routes = Object.hasOwn(book.services, service) ? (book.services[service] ?? []) : [];
  const routers = book.routers.filter((router) => router.node === node || !router.isOwnNodeOnly);
  // Nodes without a router of their own begin at different ones.
  const distance = (router: RouterAddress) => (router.node === node ? 0 : router.node > node ? 1 : 2);
  routers.sort((a, b) => distance(a) - distance(b) || (a.node < b.node ? -1 : 1));
  const urls = routers.flatMap((router) => {
    const route = routes.find(({ port }) => port === undefined || !router.closedPorts.includes(port));
    if (route === undefined) return [];
    const host = router.address.includes(':') ? `[${router.address}]` : router.address;
    return [`http://${host}:${route.port ?? router.port}${(route.path ?? '').replace(/\/$/, '')}`];
  });
  return [...new Set(urls)];
}
