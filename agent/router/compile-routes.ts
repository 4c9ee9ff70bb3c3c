/** One route of a listener: which host and path prefix go to which service. */
export interface ListenerRoute<Service> {
  /** In lower case; undefined is any host. */
  readonly host: string | undefined;
  /** A prefix of whole segments: `/api` takes `/api`, `/api?x` and `/api/x`, and not `/apix`. */
  readonly path: string;
  readonly service: Service;
}

/** Finds the service for a host (lower case, no port) and request path; null when no route takes it. */
export type RouteMatch<Service> = (host: string, path: string) => Service | null;

/**
 * Prepares the routes of one listener for matching. A route that names the host goes before one for any host; among
 * those the longest path wins; among equals the first in the table.
 */
export function compileRoutes<Service>(routes: readonly ListenerRoute<Service>[]): RouteMatch<Service> {
  const byHost = new Map<string | undefined, ListenerRoute<Service>[]>();
  for (const route of routes) {
    const list = byHost.get(route.host) ?? [];
    list.push(route);
    byHost.set(route.host, list);
  }
  for (const list of byHost.values()) list.sort((a, b) => b.path.length - a.path.length);
  const anyHost = byHost.get(undefined) ?? [];
  return (host, path) => longest(byHost.get(host), path) ?? longest(anyHost, path);
}

function longest<Service>(routes: readonly ListenerRoute<Service>[] | undefined, path: string): Service | null {
  if (routes === undefined) return null;
  for (const route of routes) if (takes(route.path, path)) return route.service;
  return null;
}

function takes(prefix: string, path: string): boolean {
  if (prefix === '/') return true;
  if (!path.startsWith(prefix)) return false;
  if (prefix.endsWith('/') || path.length === prefix.length) return true;
  const next = path.charCodeAt(prefix.length);
  return next === 47 /* / */ || next === 63 /* ? */;
}
