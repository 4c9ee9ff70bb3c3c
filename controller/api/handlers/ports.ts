import type { portOperations } from '../../../shared/contracts/coordination/port-operations.ts';
import { DroverError } from '../../../shared/contracts/drover-error.ts';
import { createPortStore, type TakenPorts } from '../../../shared/coordination/port-pool/port-store.ts';
import { listPortHosts, readPorts } from '../../../shared/coordination/port-pool/read-ports.ts';
import type { Handlers } from '../handler.ts';
import { askServices } from './ask-services.ts';
import type { HandlerDeps } from './handler-deps.ts';

type PortHandlers = Pick<Handlers, keyof typeof portOperations>;

export function createPortHandlers({ services }: Pick<HandlerDeps, 'services'>): PortHandlers {
  const { redis, prefix } = services;

  const read = async (host: string | undefined) => {
    const hosts = host === undefined ? await askServices(listPortHosts(redis, prefix)) : [host];
    const found = await askServices(Promise.all(hosts.sort().map((name) => readPorts(redis, prefix, name))));
    return found.map(({ usage, ports }) => ({
      usage: usage.toSorted((a, b) => a.from - b.from),
      ports: ports.toSorted((a, b) => a.port - b.port),
    }));
  };

  return {
    getPortUsage: async ({ query }) => (await read(query.host)).flatMap(({ usage }) => usage),
    listPorts: async ({ query: { host, pool } }) =>
      (await read(host)).flatMap(({ ports }) => ports).filter((port) => pool === undefined || port.pool === pool),
    async declarePools({ params: { host }, body: { participant, pools, ttlMs } }) {
      await askServices(createPortStore(services, host, ttlMs).declare(participant, pools));
      return (await read(host)).flatMap(({ usage }) => usage);
    },
    async keepPorts({ params: { host }, body: { participant, ttlMs } }) {
      const { state } = await askServices(createPortStore(services, host).keep(participant, ttlMs));
      if (state === 'gone') throw unknownParticipant(host);
      return undefined;
    },
    async allocatePorts({ params: { host }, body: { count, sticky, ...request } }) {
      const isSticky = sticky && request.owner !== '';
      const taken = await askServices(
        createPortStore(services, host).allocate({ ...request, counts: count, isSticky }),
      );
      if (taken === null) throw unknownParticipant(host);
      if (typeof taken === 'number') throw recovering(host, taken);
      return toAllocation(host, taken);
    },
    async replacePorts({ params: { host, id }, body: { token, foreign } }) {
      const taken = { id, token, ports: {}, owner: '', sticky: '' };
      const replaced = await askServices(createPortStore(services, host).replace(taken, foreign));
      if (replaced === null) throw notFound(host, id);
      if (typeof replaced === 'number') throw recovering(host, replaced);
      return toAllocation(host, replaced);
    },
    async releasePorts({ params: { host, id }, query: { token, quarantineMs } }) {
      const store = createPortStore(services, host);
      const released = await askServices(store.release({ id, token, participant: null, restMs: quarantineMs }));
      if (!released) throw notFound(host, id);
      return undefined;
    },
  };
}

function toAllocation(host: string, { id, owner, token, ports }: TakenPorts) {
  const lists = Object.entries(ports).map(([pool, list]): [string, number[]] => [pool, [...list]]);
  return { id, host, owner: owner === '' ? null : owner, token, ports: Object.fromEntries(lists) };
}

function unknownParticipant(host: string): DroverError {
  const message = `The participant is not known on host ${host}, or was silent for too long. Declare its pools, then ask again`;
  return new DroverError('LEASE_LOST', message, { details: { host } });
}

function recovering(host: string, retryAfterMs: number): DroverError {
  const message = `Redis took over lately and gives out no ports of host ${host} yet. Ask again in ${retryAfterMs} ms`;
  return new DroverError('STORE_UNREACHABLE', message, { details: { host, reason: 'recovering', retryAfterMs } });
}

function notFound(host: string, id: string): DroverError {
  const message = `Host ${host} has no allocation ${id} with this token: it was given back, adopted or reclaimed`;
  return new DroverError('ALLOCATION_NOT_FOUND', message, { details: { host, id } });
}
