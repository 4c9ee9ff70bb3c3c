import { readFile } from 'node:fs/promises';

/** A local address on which some process of this host's network accepts connections or datagrams. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  /** `0.0.0.0` and `::` mean all. */
  readonly address: string;
  readonly port: number;
  /** Of its socket, which `/proc/PID/fd` names. */
  readonly inode: string;
}

/** Of `/proc/net`: TCP 0A is LISTEN, UDP 07 is a socket that takes datagrams of anybody. */
const tables = [
  { name: 'tcp', protocol: 'tcp', state: '0A' },
  { name: 'tcp6', protocol: 'tcp', state: '0A' },
  { name: 'udp', protocol: 'udp', state: '07' },
  { name: 'udp6', protocol: 'udp', state: '07' },
] as const;

/**
 * All listeners in the network namespace of this process. A process in another namespace of the same machine is not seen,
 * nor does it collide: a host of ports is one network namespace.
 * @throws Error when `/proc/net/tcp` cannot be read: without it nothing is confirmed.
 */
export async function readListeners(): Promise<Listener[]> {
  const listeners: Listener[] = [];
  for (const { name, protocol, state } of tables) {
    let text: string;
    try {
      text = await readFile(`/proc/net/${name}`, 'latin1');
    } catch (error) {
      // A kernel without IPv6 has no such tables.
      if (name.endsWith('6') && (error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      const [, local, , found] = fields;
      if (local === undefined || found !== state) continue;
      const [address = '', port = ''] = local.split(':');
      listeners.push({
        protocol,
        address: decodeAddress(address),
        port: Number.parseInt(port, 16),
        inode: fields[9] ?? '',
      });
    }
  }
  return listeners;
}

/** TCP ports on which a listener would be in the way of one at `address`. */
export function portsInUse(listeners: readonly Listener[], address: string): Set<number> {
  const inUse = new Set<number>();
  for (const listener of listeners) {
    if (listener.protocol !== 'tcp') continue;
    if (isWildcard(address) || isWildcard(listener.address) || listener.address === address) inUse.add(listener.port);
  }
  return inUse;
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** The kernel prints 32-bit words in the byte order of the machine, which is little-endian on all hosts we support. */
function decodeAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  bytes.swap32();
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.every((byte) => byte === 0)) return '::';
  // An IPv4 address as IPv6 sockets see it.
  if (bytes.subarray(0, 12).toString('hex') === '00000000000000000000ffff') return bytes.subarray(12).join('.');
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  return groups.join(':');
}
