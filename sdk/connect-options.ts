import { hostname } from 'node:os';
import { z } from 'zod';

import { DroverError } from '../shared/contracts/drover-error.ts';
import { describeIssues, toIssues } from '../shared/contracts/issues.ts';
import { defaultServicesPrefix } from '../shared/coordination/coordination.ts';
import type { Clock } from '../shared/runtime/clock.ts';
import type { Logger } from '../shared/runtime/logger.ts';

/** All are optional in a worker that Drover has started: its environment has them. */
export interface ConnectOptions {
  /** `redis://`, `rediss://` or `redis+sentinel://`; default DROVER_COORDINATION_URL. */
  readonly url?: string;
  /** All that coordinate with each other use the same; default DROVER_COORDINATION_PREFIX, else `drover-services`. */
  readonly prefix?: string;
  /** Who this process is, for people: no spaces. Default `<node>/<instance id>`, else `<hostname>/<pid>`. */
  readonly identity?: string;
  /** The host that port pools belong to; default DROVER_NODE, else the hostname. */
  readonly host?: string;
  /** Replicas that must have what a holder relies on, 0 to 5; default 0. */
  readonly minReplicas?: number;
  /** See the guide on locks; default `failover` with Sentinels, else `data`. */
  readonly guard?: 'data' | 'failover';
  /** Independent Redis servers for quorum locks: 1, 3 or 5. */
  readonly quorum?: readonly string[];
  /** Base URLs by service, for a process outside of a cluster; default DROVER_SERVICE_URLS: `name=url,name=url`. */
  readonly serviceUrls?: Readonly<Record<string, string>>;
  /** Default: warnings and errors to stderr, a JSON object a line. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ResolvedOptions {
  readonly url: string;
  readonly prefix: string;
  readonly identity: string;
  readonly host: string;
  readonly minReplicas: number;
  readonly guard: 'data' | 'failover' | undefined;
  readonly quorum: readonly string[];
  readonly serviceUrls: ReadonlyMap<string, string>;
}

const optionsSchema = z.object({
  url: z.string().min(1),
  prefix: z.string().regex(/^[a-zA-Z0-9:_-]{1,64}$/, 'must be 1 to 64 letters, digits, colons, _ or -'),
  identity: z.string().regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters without spaces'),
  host: z.string().regex(/^[a-zA-Z0-9._-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, _ or -'),
  minReplicas: z.int().min(0).max(5),
  guard: z.enum(['data', 'failover']).optional(),
  quorum: z
    .array(z.string().min(1))
    .refine(({ length }) => [0, 1, 3, 5].includes(length), 'must name 1, 3 or 5 servers'),
  serviceUrls: z.record(z.string(), z.url({ protocol: /^https?$/ })),
});

/**
 * What was given, then the environment, then defaults.
 * @throws DroverError ARGUMENT_INVALID that names each option
 */
export function resolveOptions(options: ConnectOptions, environment: Environment, pid: number): ResolvedOptions {
  const url = options.url ?? environment.DROVER_COORDINATION_URL;
  if (!url) {
    throw new DroverError(
      'ARGUMENT_INVALID',
      'There is no Redis to coordinate through: give connect() a url, or set DROVER_COORDINATION_URL. A worker that Drover starts has it, unless its controllers could give services none',
      { issues: [{ path: 'url', reason: 'is required', allowed: 'redis://host:port/0' }] },
    );
  }
  const host = options.host ?? environment.DROVER_NODE ?? hostname();
  const parsed = optionsSchema.safeParse({
    url,
    prefix: options.prefix ?? environment.DROVER_COORDINATION_PREFIX ?? defaultServicesPrefix,
    identity: options.identity ?? `${host}/${environment.DROVER_INSTANCE_ID ?? pid}`,
    host,
    minReplicas: options.minReplicas ?? 0,
    guard: options.guard,
    quorum: options.quorum ?? [],
    serviceUrls: options.serviceUrls ?? parseServiceUrls(environment.DROVER_SERVICE_URLS),
  });
  if (!parsed.success) {
    const issues = toIssues(parsed.error);
    throw new DroverError('ARGUMENT_INVALID', `connect() cannot use its options: ${describeIssues(issues)}`, {
      issues,
    });
  }
  const serviceUrls = Object.entries(parsed.data.serviceUrls).map(
    ([name, one]) => [name, one.replace(/\/$/, '')] as const,
  );
  return { ...parsed.data, guard: parsed.data.guard, serviceUrls: new Map(serviceUrls) };
}

/** `name=url,name=url`; what is no such pair fails the check of the options. */
function parseServiceUrls(text = ''): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', ...url] = pair.trim().split('=');
      return [name, url.join('=')];
    }),
  );
}
