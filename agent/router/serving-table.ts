import { compileRoutes, type ListenerRoute, type RouteMatch } from './compile-routes.ts';
import type { ConfiguredService, EndpointNotice, RouterTable, TrafficStats } from './protocol.ts';
import { Service } from './service.ts';
import { Upstream } from './upstream.ts';

export interface ServingEvents {
  onNotice(notice: EndpointNotice): void;
  /** `busy()` or `upgraded()` may answer something else now. */
  onBusyChanged(): void;
}

/** The shared listener in the listener map. */
export const sharedListener = 0;

/**
 * The routing table as it is served: replaced as a whole between two requests, while upstreams that stay keep their
 * connections, and upstreams that leave keep what is in flight until it has ended.
 */
export class ServingTable {
  /** -1 until a table has been applied. */
  epoch = -1;
  generation = '';

  #events: ServingEvents;
  #services = new Map<string, Service>();
  #upstreams = new Map<string, Upstream>();
  #leaving = new Set<Upstream>();
  #listeners = new Map<number, RouteMatch<Service>>();

  constructor(events: ServingEvents) {
    this.#events = events;
  }

  /** Ports that routes ask for beside the shared listener. */
  get ports(): number[] {
    return [...this.#listeners.keys()].filter((port) => port !== sharedListener);
  }

  /** Whether the table is older than the one applied, or the very same. Epochs compare within one generation only. */
  isStale(table: RouterTable): boolean {
    return table.generation === this.generation && table.epoch <= this.epoch;
  }

  match(listener: number, host: string, path: string): Service | null {
    return this.#listeners.get(listener)?.(host, path) ?? null;
  }

  apply(table: RouterTable): void {
    const services = new Map<string, Service>();
    const upstreams = new Map<string, Upstream>();
    for (const configured of table.services) {
      const service = this.#services.get(configured.name) ?? new Service(configured.name);
      service.configure(configured, this.#upstreamsOf(configured, upstreams));
      services.set(configured.name, service);
    }
    for (const [name, service] of this.#services) if (!services.has(name)) service.upstreams = [];
    for (const [key, upstream] of this.#upstreams) {
      if (upstreams.has(key)) continue;
      upstream.leave();
      if (upstream.load > 0) this.#leaving.add(upstream);
    }
    this.#services = services;
    this.#upstreams = upstreams;
    this.#listeners = compileListeners(table, services);
    this.epoch = table.epoch;
    this.generation = table.generation;
  }

  /** Instances out of the table with HTTP requests in flight. */
  busy(): string[] {
    const ids = new Set<string>();
    for (const upstream of this.#leaving) if (upstream.traffic.inFlight > 0) ids.add(upstream.endpoint.instanceId);
    return [...ids];
  }

  /** Open upgraded connections of instances out of the table. */
  upgraded(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { endpoint, traffic } of this.#leaving) {
      if (traffic.upgraded > 0) counts[endpoint.instanceId] = (counts[endpoint.instanceId] ?? 0) + traffic.upgraded;
    }
    return counts;
  }

  closeExpired(nowMs: number): void {
    for (const upstream of this.#upstreams.values()) upstream.closeExpired(nowMs);
  }

  /** Closes every idle connection; what is in flight goes on. */
  closeIdle(): void {
    this.closeExpired(Number.POSITIVE_INFINITY);
  }

  stats(): { services: Record<string, TrafficStats>; instances: Record<string, TrafficStats> } {
    const services: Record<string, TrafficStats> = {};
    for (const [name, service] of this.#services) services[name] = service.traffic;
    const instances: Record<string, TrafficStats> = {};
    for (const { endpoint, traffic } of this.#leaving) instances[endpoint.instanceId] = traffic;
    for (const { endpoint, traffic } of this.#upstreams.values()) instances[endpoint.instanceId] = traffic;
    return { services, instances };
  }

  #upstreamsOf(configured: ConfiguredService, upstreams: Map<string, Upstream>): Upstream[] {
    return configured.endpoints.map((endpoint) => {
      const key = `${configured.name} ${endpoint.instanceId} ${endpoint.address} ${endpoint.port}`;
      const upstream = this.#upstreams.get(key) ?? new Upstream(configured.name, endpoint, this.#upstreamEvents);
      upstream.weight = endpoint.weight;
      upstreams.set(key, upstream);
      return upstream;
    });
  }

  #upstreamEvents = {
    onNotice: (notice: EndpointNotice): void => this.#events.onNotice(notice),
    onRelease: (upstream: Upstream): void => {
      if (upstream.load === 0) this.#leaving.delete(upstream);
      this.#events.onBusyChanged();
    },
  };
}

function compileListeners(table: RouterTable, services: Map<string, Service>): Map<number, RouteMatch<Service>> {
  const routes = new Map<number, ListenerRoute<Service>[]>();
  for (const configured of table.services) {
    const service = services.get(configured.name);
    if (service === undefined) continue;
    for (const route of configured.routes) {
      const listener = route.port ?? sharedListener;
      const list = routes.get(listener) ?? [];
      list.push({ host: route.host?.toLowerCase(), path: route.path ?? '/', service });
      routes.set(listener, list);
    }
  }
  return new Map([...routes].map(([listener, list]) => [listener, compileRoutes(list)]));
}
