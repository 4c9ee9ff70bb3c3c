import { readFileSync } from 'node:fs';

/** What a router is started with: a JSON file whose path is the only argument of `main.ts`. */
export interface RouterConfig {
  /** Holds the last table, the identity of the process and its log; mode 0700. */
  readonly stateDirectory: string;
  /** The control socket; at most 100 bytes, as the kernel keeps 108 for it. */
  readonly socketPath: string;
  /** `host:port` of the shared listener; ports of routes are bound on the same host. */
  readonly listen: string;
  /** Keep the X-Forwarded-* of clients: only with a proxy of one's own in front. */
  readonly trustForwarded: boolean;
  /** After SIGTERM requests in flight may take this long. */
  readonly drainTimeoutMs: number;
  readonly limits: {
    /** Per listener. Past it new connections are closed at once. */
    readonly maxConnections: number;
    /** Request line and fields together; past it the answer is 431. */
    readonly maxHeaderBytes: number;
    /** A client must have sent its head in this time (slow-loris). */
    readonly headTimeoutMs: number;
    /** Idle client connections are closed after this. Above what common clients and load balancers use (60 s). */
    readonly keepAliveTimeoutMs: number;
  };
}

export interface RouterSettings extends Partial<Omit<RouterConfig, 'limits'>> {
  readonly stateDirectory: string;
  readonly socketPath: string;
  readonly listen: string;
  readonly limits?: Partial<RouterConfig['limits']>;
}

const defaultLimits: RouterConfig['limits'] = {
  maxConnections: 10_000,
  maxHeaderBytes: 16 * 1024,
  headTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
};

/** `sun_path` has 108 bytes with its NUL; a few are left for temporary names. */
const maxSocketPathBytes = 100;

/** Fills in the defaults; throws an Error that names the field when a value cannot work. */
export function completeRouterConfig(settings: RouterSettings): RouterConfig {
  parseListen(settings.listen);
  if (Buffer.byteLength(settings.socketPath) > maxSocketPathBytes) {
    throw new Error(`socketPath is longer than ${maxSocketPathBytes} bytes: ${settings.socketPath}`);
  }
  return {
    trustForwarded: false,
    drainTimeoutMs: 30_000,
    ...settings,
    limits: { ...defaultLimits, ...settings.limits },
  };
}

/** Reads the configuration file; throws when it cannot be read or is not valid. */
export function readRouterConfig(path: string): RouterConfig {
  return completeRouterConfig(JSON.parse(readFileSync(path, 'utf8')) as RouterSettings);
}

/** Splits `host:port`; an IPv6 host is in brackets. Throws for anything else. */
export function parseListen(listen: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(listen);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error(`listen must be host:port, not "${listen}"`);
  return { host: match[1] ?? match[2] ?? '', port };
}
