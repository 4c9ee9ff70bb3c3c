import type { RedisOptions } from 'ioredis';

import { DroverError } from '../contracts/drover-error.ts';

const defaultRedisPort = 6379;
const defaultSentinelPort = 26379;
const form =
  'redis://[user:password@]host[:port][/db], rediss:// for TLS, or redis+sentinel://host:port,host:port/name[?db=n]';

/**
 * Reads the address of a Redis server, or of the Sentinels that know it (`redis+sentinel://h1:p,h2:p/name?db=0`; user and
 * password are those of the server).
 * @throws DroverError ARGUMENT_INVALID, whose message never repeats the URL: it may hold a password.
 */
export function parseRedisUrl(url: string): RedisOptions {
  const match = /^(rediss?|redis\+sentinel):\/\/(?:([^@/]*)@)?([^/?@]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url);
  if (match === null) throw invalid('it is not of the form');
  const [, scheme, credentials, hosts, path = '', query] = match;
  const parameters = new URLSearchParams(query);
  const addresses = hosts!.split(',').map((host) => parseAddress(host, scheme === 'redis+sentinel'));
  const [username, password] = (credentials ?? '').split(':').map(decodeURIComponent);
  const access = { ...(username ? { username } : {}), ...(password ? { password } : {}) };
  if (scheme === 'redis+sentinel') {
    if (path === '') throw invalid('the name of the master is missing');
    return { ...access, sentinels: addresses, name: path, db: parseDatabase(parameters.get('db') ?? '0') };
  }
  if (addresses.length > 1) throw invalid('several hosts are for Sentinels');
  const db = parseDatabase(path || (parameters.get('db') ?? '0'));
  return { ...access, ...addresses[0], db, ...(scheme === 'rediss' ? { tls: {} } : {}) };
}

function parseAddress(text: string, isSentinel: boolean): { host: string; port: number } {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text);
  const port = Number(match?.[2] ?? (isSentinel ? defaultSentinelPort : defaultRedisPort));
  if (match === null || port < 1 || port > 65_535) throw invalid('a host or port is not valid');
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port };
}

function parseDatabase(text: string): number {
  if (!/^\d+$/.test(text)) throw invalid('the database is not a number');
  return Number(text);
}

function invalid(reason: string): DroverError {
  return new DroverError('ARGUMENT_INVALID', `The Redis URL cannot be used: ${reason}. Write ${form}.`, {
    issues: [{ path: 'DROVER_REDIS_URL', reason, allowed: form }],
  });
}
