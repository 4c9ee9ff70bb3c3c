import { isIP } from 'node:net';

/**
 * The address at which other hosts reach this one, as `--listen` or else `--address` say it; undefined where both are of this
 * host alone. Services on other hosts coordinate through a Redis there.
 */
export function reachableAddress(listen = '', address = ''): string | undefined {
  const host = listen.slice(0, Math.max(0, listen.lastIndexOf(':'))).replace(/^\[|\]$/g, '');
  return [host, address].find((one) => one !== '' && !isLoopback(one) && one !== '0.0.0.0' && one !== '::');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
