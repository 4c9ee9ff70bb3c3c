import { availableParallelism, hostname, networkInterfaces, totalmem } from 'node:os';
import packageJson from '../../package.json' with { type: 'json' };
import type { NodeFacts } from '../../shared/contracts/entities.ts';
import type { AgentOptions } from '../config.ts';

/** What this host says of itself, to the cluster and to the filters of placement. */
export function readNodeFacts(options: AgentOptions): NodeFacts {
  return {
    name: options.name ?? hostname(),
    address: options.address ?? firstAddress(),
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    ports: options.ports,
    labels: options.labels,
    router: options.router !== undefined,
    version: packageJson.version,
  };
}

function firstAddress(): string {
  const found = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  return found?.address ?? '127.0.0.1';
}
