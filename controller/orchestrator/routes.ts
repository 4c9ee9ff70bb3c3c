import type { Endpoint, Instance, RoutedService, Service } from '../../shared/contracts/entities.ts';
import { isAhead } from '../../shared/state/routing-epochs.ts';
import { compareText, type Draft, isLive } from './draft.ts';

/**
 * Publishes the next routing table where it differs from the current one, where a router has another that the store has
 * lost, or where an instance that may be in use is to leave it: that instance gets an epoch whose acknowledgement it waits
 * for.
 */
export function publishRoutes(draft: Draft): void {
  const { routes, routers } = draft.input.snapshot;
  const current = routes.services;
  const services = buildTable(draft);
  const drained = [...draft.instances()].filter(
    (instance) =>
      isLive(instance) && instance.desired === 'drain' && instance.drainEpoch === null && mayBeInUse(draft, instance),
  );
  const isLost = routers.some((router) => isAhead(router, routes));
  if (drained.length === 0 && !isLost && fingerprint(services) === fingerprint(current)) return;
  draft.act({
    type: 'publishRoutes',
    services,
    drained: drained.map(({ id }) => id),
    reason: describeChange(current, services, isLost),
  });
}

/** The table that the instances call for; sorted, so that equal content is equal text. */
export function buildTable(draft: Draft): RoutedService[] {
  const table: RoutedService[] = [];
  for (const service of [...draft.input.snapshot.services].sort((a, b) => compareText(a.name, b.name))) {
    const routes = draft.spec(service.name, service.target.revision)?.routes ?? [];
    const endpoints = endpointsOf(draft, service);
    if (routes.length === 0 || (service.deleted && endpoints.length === 0)) continue;
    table.push({ name: service.name, routes, endpoints });
  }
  return table;
}

/** Whether the current table sends requests to it, or to the port that it shares with others. */
export function isRouted(draft: Draft, instance: Instance): boolean {
  const routed = draft.input.snapshot.routes.services.find(({ name }) => name === instance.service);
  const address = draft.nodes.get(instance.nodeId)?.address;
  const port = portOf(instance);
  const shared = draft.spec(instance.service, instance.revision)?.execMode === 'cluster';
  return (
    routed?.endpoints.some(
      (endpoint) =>
        endpoint.address === address && endpoint.port === port && (shared || endpoint.instanceId === instance.id),
    ) ?? false
  );
}

/** Whether requests may have been sent to it: it may be in a table that some router still has. */
export function mayBeInUse(draft: Draft, instance: Instance): boolean {
  const { state } = instance.status;
  return (state === 'running' || state === 'stopping') && (hasRoutes(draft, instance) || isRouted(draft, instance));
}

export function hasRoutes(draft: Draft, instance: Instance): boolean {
  const service = draft.input.snapshot.services.find(({ name }) => name === instance.service);
  const revisions = [instance.revision, ...(service === undefined ? [] : [service.target.revision])];
  return revisions.some((revision) => (draft.spec(instance.service, revision)?.routes.length ?? 0) > 0);
}

function endpointsOf(draft: Draft, service: Service): Endpoint[] {
  const candidates = draft
    .instancesOf(service.name)
    .filter(
      (instance) => instance.desired === 'run' && instance.status.state === 'running' && isReachable(draft, instance),
    );
  const healthy = candidates.filter(
    (instance) =>
      instance.status.health === 'healthy' && (isRouted(draft, instance) || hasProvenHealth(draft, instance)),
  );
  // Unhealthy ones that were in use are better than none at all.
  const chosen = healthy.length > 0 ? healthy : candidates.filter((instance) => isRouted(draft, instance));
  const endpoints = new Map<string, Endpoint>();
  for (const instance of chosen) {
    const address = draft.nodes.get(instance.nodeId)?.address ?? '';
    const port = portOf(instance) ?? 0;
    const key = `${address} ${port}`;
    const other = endpoints.get(key);
    // `instancesOf` ascends by id, so that the first instance of a shared port has the lowest.
    if (other === undefined)
      endpoints.set(key, { instanceId: instance.id, revision: instance.revision, address, port, weight: 1 });
    else endpoints.set(key, { ...other, weight: other.weight + 1 });
  }
  return [...endpoints.values()].sort((a, b) => compareText(a.instanceId, b.instanceId));
}

/** Healthy for as long as its update policy asks, which it has to show once. */
export function hasProvenHealth(draft: Draft, instance: Instance): boolean {
  const deployment = draft.input.snapshot.deployments.find(({ id }) => id === instance.deploymentId);
  const update = deployment?.update ?? draft.spec(instance.service, instance.revision)?.update;
  return instance.status.health === 'healthy' && draft.healthyForMs(instance) >= (update?.minHealthyMs ?? 0);
}

function isReachable(draft: Draft, instance: Instance): boolean {
  const node = draft.nodes.get(instance.nodeId);
  return node !== undefined && node.state !== 'lost' && portOf(instance) !== null;
}

function portOf(instance: Instance): number | null {
  return instance.status.port ?? instance.port;
}

function fingerprint(services: readonly RoutedService[]): string {
  return JSON.stringify(
    services.map(({ name, routes, endpoints }) => [
      name,
      routes.map(({ port, host, path }) => [port, host, path]),
      endpoints.map(({ instanceId, revision, address, port, weight }) => [instanceId, revision, address, port, weight]),
    ]),
  );
}

function describeChange(before: readonly RoutedService[], after: readonly RoutedService[], isLost: boolean): string {
  const ids = (services: readonly RoutedService[], name: string): Set<string> =>
    new Set(services.find((service) => service.name === name)?.endpoints.map(({ instanceId }) => instanceId));
  const names = new Set([...before, ...after].map(({ name }) => name));
  const changes = [...names].sort(compareText).flatMap((name) => {
    const [old, now] = [ids(before, name), ids(after, name)];
    const added = [...now].filter((id) => !old.has(id)).length;
    const removed = [...old].filter((id) => !now.has(id)).length;
    return added + removed === 0 ? [] : [`${name}: ${now.size} endpoints (${added} added, ${removed} removed)`];
  });
  if (changes.length > 0) return changes.join('; ');
  return isLost ? 'a router has a table that the store has lost' : 'instances leave ports that others share';
}
