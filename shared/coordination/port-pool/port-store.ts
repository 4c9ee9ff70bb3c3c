import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { type PortsByPool, parsePorts } from './allocation-record.ts';
import { defaultOwnerTtlMs } from './confirm-orphans.ts';
import { guardedBoot, portKeys } from './port-keys.ts';
import {
  adoptAllocation,
  allocatePorts,
  declarePools,
  keepParticipant,
  releasePorts,
  replaceForeign,
} from './port-scripts.ts';
import { readPorts } from './read-ports.ts';

export type PoolRanges = Readonly<Record<string, { readonly from: number; readonly to: number }>>;

export interface TakenPorts {
  readonly id: string;
  /** Grows each time that the allocation changes hands. */
  readonly token: number;
  readonly ports: PortsByPool;
  readonly owner: string;
  readonly sticky: string;
}

export interface AllocateRequest {
  readonly participant: string;
  readonly identity: string;
  /** The same again has the same ports. */
  readonly requestId: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly owner: string;
  readonly isSticky: boolean;
}

/** An owner that comes back after a week is a new one. */
export const stickyMs = 7 * 24 * 3_600_000;
/** For how long a port that a stranger listens on is left alone. */
export const foreignMs = 60_000;
/** No port rests longer; one that seems to is of a server whose clock went back. */
const longestRestMs = 3_600_000;

/**
 * The ports of one host as Redis has them: one script a transition, no timers. All may be repeated after a reply was lost.
 * Rejects with the client's error when Redis does not answer.
 */
export function createPortStore(
  { redis, prefix, guard }: Pick<Coordination, 'redis' | 'prefix' | 'guard'>,
  host: string,
  ownerTtlMs = defaultOwnerTtlMs,
) {
  const keys = portKeys(prefix, host);
  const boot = guardedBoot({ guard }, keys, keys.allocations);

  async function explainExhausted(pool: string): Promise<DroverError> {
    const { usage } = await readPorts(redis, prefix, host);
    const counts = usage.find((candidate) => candidate.pool === pool);
    const { leased = 0, quarantined = 0, foreign = 0, orphaned = 0, size = 0, nextFreeInMs = null } = counts ?? {};
    const next = nextFreeInMs === null ? 'none becomes free by itself' : `the next is free in ${nextFreeInMs} ms`;
    return new DroverError(
      'PORTS_EXHAUSTED',
      `Pool ${pool} of host ${host} has not enough free ports of ${size}: ${leased} leased, ${quarantined} quarantined, ` +
        `${foreign} foreign, ${orphaned} orphaned; ${next}. Nothing was allocated; release some, or widen the range.`,
      { details: { host, pool, size, leased, quarantined, foreign, orphaned, nextFreeInMs } },
    );
  }

  return {
    /**
     * Declares pools and that `participant` lives. Growing a range is allowed; narrowing it or moving it only while no
     * other participant lives. With `onlyRepeated` a range is never narrowed.
     * @throws DroverError POOL_CONFLICT
     */
    async declare(participant: string, pools: PoolRanges, onlyRepeated = false): Promise<void> {
      const ranges = Object.entries(pools).flatMap(([pool, { from, to }]) => [pool, from, to]);
      const reply = await declarePools.run(
        redis,
        [keys.pools, keys.participants, keys.rest, keys.hosts, keys.boot],
        [host, participant, ownerTtlMs, onlyRepeated ? '1' : '0', guard, ...ranges],
      );
      if (reply[0] === 'overlap') {
        const message = `Pools ${reply[1]} and ${reply[2]} of host ${host} overlap. Give each port to one pool.`;
        throw new DroverError('POOL_CONFLICT', message, { details: { host, pools: [reply[1], reply[2]] } });
      }
      if (reply[0] === 'other-range') {
        const [, pool, from, to] = reply;
        const message = `Pool ${pool} of host ${host} is in use with ${from} to ${to}. Grow it, or stop who uses it first.`;
        throw new DroverError('POOL_CONFLICT', message, { details: { host, pool, from, to } });
      }
    },

    /** Says that the participant lives for another `ttlMs`; 0: it leaves, and what it has not released is orphaned. */
    async keep(participant: string, ttlMs: number): Promise<{ state: 'kept' | 'late' | 'gone'; dead: number }> {
      const [state, dead] = await keepParticipant.run(
        redis,
        [keys.participants, guardedBoot({ guard }, keys, keys.participants)],
        [participant, ttlMs],
      );
      return { state, dead };
    },

    /**
     * Takes ports of all pools that `counts` names, or of none. Null: the participant is unknown or late, declare again. A number:
     * the server took over, or restarted, and gives nothing out for so many ms.
     * @throws DroverError POOL_NOT_FOUND, PORTS_EXHAUSTED; ARGUMENT_INVALID when another participant has the request id
     */
    async allocate(request: AllocateRequest): Promise<TakenPorts | number | null> {
      const { participant, identity, requestId, counts, owner, isSticky } = request;
      const sticky = isSticky ? keys.sticky + owner : '';
      const args = Object.entries(counts).flat();
      const reply = await allocatePorts.run(
        redis,
        [keys.allocations, keys.participants, keys.rest, keys.pools, sticky || keys.allocations, boot],
        [requestId, participant, identity, owner, longestRestMs, ownerTtlMs, ...args],
      );
      switch (reply[0]) {
        case 'allocated':
          return { id: requestId, token: Number(reply[1]), ports: parsePorts(reply[2]), owner, sticky };
        case 'gone':
          return null;
        case 'recovering':
          return reply[1];
        case 'unknown':
          throw new DroverError('POOL_NOT_FOUND', `Host ${host} has no port pool ${reply[1]}. Declare it first.`, {
            details: { host, pool: reply[1] },
          });
        case 'held':
          throw new DroverError('ARGUMENT_INVALID', `Another participant of ${host} has request id ${requestId}`, {
            issues: [{ path: 'requestId', reason: 'is in use by another participant', allowed: 'an id of its own' }],
          });
        case 'exhausted':
          throw await explainExhausted(reply[1]);
      }
    },

    /**
     * Marks ports of an allocation as a stranger's for `foreignMs`, and takes others for them. Null: it is not held so. A
     * number: as with `allocate`.
     * @throws DroverError PORTS_EXHAUSTED; the whole allocation was undone
     */
    async replace(taken: TakenPorts, foreign: PortsByPool): Promise<TakenPorts | number | null> {
      const args = Object.entries(foreign).flatMap(([pool, ports]) => ports.flatMap((port) => [pool, port]));
      const reply = await replaceForeign.run(
        redis,
        [keys.allocations, keys.pools, keys.rest, keys.foreign, boot],
        [taken.id, taken.token, foreignMs, ownerTtlMs, ...args],
      );
      if (reply[0] === 'recovering') return reply[1];
      if (reply[0] === 'lost') return null;
      if (reply[0] === 'exhausted') throw await explainExhausted(reply[1]);
      return { ...taken, ports: parsePorts(reply[2]) };
    },

    /** Gives ports back; they rest for `restMs`. False: it is not held so, or not any more. */
    async release(allocation: {
      readonly id: string;
      /** Null when the reply with it was lost: the participant has to match then. */
      readonly token: number | null;
      /** Null where the token is proof enough. */
      readonly participant: string | null;
      readonly restMs: number;
    }): Promise<boolean> {
      const { id, token, participant, restMs } = allocation;
      const args = [id, token ?? '', participant ?? '', restMs, stickyMs] as const;
      return (await releasePorts.run(redis, [keys.allocations, keys.pools, keys.rest], [...args])) === 1;
    },

    /**
     * Takes over what a dead participant left, by id or by owner. A number: its participant lives, for that many ms at
     * most if it says nothing. Null: the one that asks is unknown or late, declare again.
     * @throws DroverError ALLOCATION_NOT_FOUND
     */
    async adopt(
      which: { readonly id: string } | { readonly owner: string },
      participant: string,
      identity: string,
    ): Promise<TakenPorts | number | null> {
      const id = 'id' in which ? which.id : '';
      const owner = 'owner' in which ? which.owner : '';
      const reply = await adoptAllocation.run(
        redis,
        [keys.allocations, keys.participants, boot, keys.pools],
        [id, owner, participant, identity, ownerTtlMs],
      );
      if (reply[0] === 'gone') return null;
      if (reply[0] === 'held') return reply[1];
      if (reply[0] === 'adopted') {
        const [, found, token, ports, foundOwner, sticky] = reply;
        return { id: found, token: Number(token), ports: parsePorts(ports), owner: foundOwner, sticky };
      }
      const what = id === '' ? `of owner ${owner}` : id;
      throw new DroverError('ALLOCATION_NOT_FOUND', `Host ${host} has no allocation ${what}. Allocate anew.`, {
        details: { host, id, owner },
      });
    },
  };
}

export type PortStore = ReturnType<typeof createPortStore>;
