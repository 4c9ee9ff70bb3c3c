import type { Coordination } from '../coordination.ts';

/** The Redis keys of the ports of one host. */
export interface PortKeys {
  /** Hash: pool → `from to ttl`, the last for how many ms a participant of the host may be silent and live. */
  readonly pools: string;
  /** Sorted set: participant → until when it counts as alive, in ms of the server's clock. */
  readonly participants: string;
  /** Hash: allocation → its record. */
  readonly allocations: string;
  /** To be followed by a pool. Sorted set: each port that nobody holds → from when on it may be given, in ms. */
  readonly rest: string;
  /** To be followed by a pool. Sorted set: ports that a stranger had → until when they are left alone, in ms. */
  readonly foreign: string;
  /** To be followed by an owner. String with a time limit: the ports that the owner had last. */
  readonly sticky: string;
  /** Set of all hosts with pools. */
  readonly hosts: string;
  /** String with a time limit: the highest term of a leader that has taken ports back. */
  readonly term: string;
  /** String, one per Redis: when this data set was first seen empty. */
  readonly boot: string;
}

/**
 * What scripts take as their boot key; `none`, their first key, where only lost data is guarded against, because then they need
 * not look. An empty name would be refused: services may touch only keys that begin with their prefix.
 */
export function guardedBoot({ guard }: Pick<Coordination, 'guard'>, { boot }: PortKeys, none: string): string {
  return guard === 'failover' ? boot : none;
}

export function portKeys(prefix: string, host: string): PortKeys {
  const base = `${prefix}:ports:${host}`;
  return {
    pools: `${base}:pools`,
    participants: `${base}:participants`,
    allocations: `${base}:allocations`,
    rest: `${base}:rest:`,
    foreign: `${base}:foreign:`,
    sticky: `${base}:sticky:`,
    hosts: `${prefix}:ports-hosts`,
    term: `${prefix}:ports-term`,
    boot: `${prefix}:boot`,
  };
}
