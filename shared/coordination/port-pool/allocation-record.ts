/** Ports by pool: `{adb: [5555], webrtc: [8080, 8081]}`. */
export type PortsByPool = Readonly<Record<string, readonly number[]>>;

/** What Redis has of one allocation: one field a line, so that a script takes it apart without a parser. */
export interface AllocationRecord {
  readonly token: number;
  readonly participant: string;
  /** By the clock of Redis. */
  readonly takenAt: number;
  readonly ports: PortsByPool;
  /** Key that remembers the ports for the owner; '' where that was not asked for. */
  readonly sticky: string;
  readonly identity: string;
  readonly owner: string;
}

export function parseRecord(text: string): AllocationRecord {
  const [token = '0', participant = '', takenAt = '0', ports = '', sticky = '', identity = '', owner = ''] =
    text.split('\n');
  return {
    token: Number(token),
    participant,
    takenAt: Number(takenAt),
    ports: parsePorts(ports),
    sticky,
    identity,
    owner,
  };
}

export function formatRecord(record: AllocationRecord): string {
  const { token, participant, takenAt, ports, sticky, identity, owner } = record;
  return [token, participant, takenAt, formatPorts(ports), sticky, identity, owner].join('\n');
}

/** Reads `adb=5555,5556;webrtc=8080`. */
export function parsePorts(text: string): PortsByPool {
  const ports: Record<string, number[]> = {};
  for (const part of text.split(';')) {
    const [pool, list] = part.split('=');
    if (pool && list) ports[pool] = list.split(',').map(Number);
  }
  return ports;
}

function formatPorts(ports: PortsByPool): string {
  return Object.entries(ports)
    .map(([pool, list]) => `${pool}=${list.join(',')}`)
    .join(';');
}
