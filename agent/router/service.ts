import { type ConfiguredService, defaultServiceOptions, type ServiceOptions } from './protocol.ts';
import { noTraffic } from './traffic.ts';
import type { Upstream } from './upstream.ts';

/** A service of the table as the router serves it now. It outlives the tables: requests in flight always see the newest. */
export class Service {
  readonly name: string;
  readonly traffic = noTraffic();
  options: ServiceOptions = defaultServiceOptions;
  upstreams: readonly Upstream[] = [];

  constructor(name: string) {
    this.name = name;
  }

  configure(configured: ConfiguredService, upstreams: readonly Upstream[]): void {
    this.options = { ...defaultServiceOptions, ...configured.options };
    this.upstreams = upstreams;
  }
}
