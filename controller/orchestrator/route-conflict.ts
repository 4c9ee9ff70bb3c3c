import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import type { Route, ServiceSpec } from '../../shared/contracts/spec.ts';

/**
 * A route belongs to one service: with two, a request would go to whichever the router found first. Says which route of
 * `spec` another service has, or null. A stopped service keeps its routes, since it may start at any time.
 */
export function findRouteConflict(snapshot: Snapshot, spec: ServiceSpec): { route: string; service: string } | null {
  for (const { name, target, deleted } of snapshot.services) {
    if (name === spec.name || deleted) continue;
    const other = snapshot.revisions.find(({ service, revision }) => service === name && revision === target.revision);
    const shared = spec.routes.find((route) => other?.spec.routes.some((theirs) => keyOf(theirs) === keyOf(route)));
    if (shared !== undefined) return { route: describe(shared), service: name };
  }
  return null;
}

/** A port is a listener of its own, whatever the host and path; on the shared listener host and path together decide. */
function keyOf({ port, host, path }: Route): string {
  return port === undefined
    ? `${(host ?? '*').toLowerCase()} ${path ?? '/'}`
    : `:${port} ${(host ?? '*').toLowerCase()} ${path ?? '/'}`;
}

function describe({ port, host, path }: Route): string {
  return [
    port === undefined ? [] : [`port ${port}`],
    host === undefined ? [] : [`host ${host}`],
    path === undefined ? [] : [`path ${path}`],
  ]
    .flat()
    .join(', ');
}
