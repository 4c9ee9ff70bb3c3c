import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

/** The address and port on which a process accepts TCP connections. */
export interface ListeningAddress {
  readonly address: string;
  readonly port: number;
}

const LISTEN_STATE = '0A';

const TABLE_PIECE = Buffer.allocUnsafeSlow(16 * 1024);

export interface ListeningQuery {
  /** A member of the tree, through which its network namespace is seen. */
  readonly pid: number;
  readonly port: number;
  /** All pids of the tree; asked for only when somebody listens on the port. */
  pidsOfTree(): readonly number[];
}

/**
 * Finds out whether a process tree listens on this TCP port, without connecting to it: a connection would be seen by
 * the service, and would succeed as well against a stranger that holds the port. `stranger` says that one does.
 */
export function findListeningPort(query: ListeningQuery): ListeningAddress | 'stranger' | null {
  const { pid, port } = query;
  const listeners = new Map<string, string>();
  for (const table of ['tcp', 'tcp6']) readListeners(`/proc/${pid}/net/${table}`, port, listeners);
  if (listeners.size === 0) return null;
  for (const member of query.pidsOfTree()) {
    for (const inode of readSocketInodes(member)) {
      const address = listeners.get(inode);
      if (address !== undefined) return { address, port };
    }
  }
  return 'stranger';
}

function readListeners(path: string, port: number, listeners: Map<string, string>): void {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of readTableLines(path)) {
    // Most lines of a busy host are of other ports: they are passed over without being taken apart.
    if (!line.includes(suffix)) continue;
    const fields = line.trim().split(/\s+/);
    const [, local, , state] = fields;
    const inode = fields[9];
    if (local === undefined || inode === undefined || state !== LISTEN_STATE || !local.endsWith(suffix)) continue;
    listeners.set(inode, decodeAddress(local.slice(0, -suffix.length)));
  }
}

/** In pieces: the table of a host with many connections has megabytes, and a shim is to stay small. */
function* readTableLines(path: string): Generator<string> {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return;
  }
  try {
    let unfinished = '';
    for (let length = readSync(fd, TABLE_PIECE); length > 0; length = readSync(fd, TABLE_PIECE)) {
      const lines = (unfinished + TABLE_PIECE.toString('latin1', 0, length)).split('\n');
      unfinished = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * The kernel prints an address as 32-bit words in the byte order of the machine, which is little-endian on all hosts we
 * support.
 */
function decodeAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  bytes.swap32();
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  return groups.every((group) => group === '0') ? '::' : groups.join(':');
}

function* readSocketInodes(pid: number): Generator<string> {
  let names: string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return;
  }
  for (const name of names) {
    try {
      const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`));
      if (match?.[1] !== undefined) yield match[1];
    } catch {
      // Closed between the listing and the look.
    }
  }
}
