import { setTimeout as sleep } from 'node:timers/promises';
import { DroverError, isDroverError } from '../../../shared/contracts/drover-error.ts';
import type { Instance } from '../../../shared/contracts/entities.ts';
import type { DroverEvent } from '../../../shared/contracts/events.ts';
import type { LogLine } from '../../../shared/contracts/operations.ts';
import { childAbort } from '../../../shared/runtime/child-abort.ts';
import { isTerminal } from '../../../shared/state/instance-states.ts';
import type { Handlers, ServerSentEvent } from '../handler.ts';
import type { HandlerDeps } from './handler-deps.ts';

type StreamHandlers = Pick<Handlers, 'getEvents' | 'getLogs'>;

/** Events read at once; a follower that lags catches up in such steps. */
const eventBatch = 500;
/** A follower looks at least this often, should a wake-up get lost. */
const eventIntervalMs = 1_000;
const logIntervalMs = 300;
/** How often a log follower looks for instances that were created since. */
const instanceRefreshMs = 2_000;

export function createStreamHandlers({ store, sessions }: HandlerDeps): StreamHandlers {
  return {
    async *getEvents({ query, request, signal }): AsyncGenerator<ServerSentEvent<DroverEvent>> {
      const fits = (event: DroverEvent) =>
        (query.service === undefined || event.service === query.service) &&
        (query.deployment === undefined || event.deploymentId === query.deployment);
      const resumeAfter = query.after ?? (request.headers['last-event-id'] as string | undefined);
      const first =
        resumeAfter === undefined
          ? await store.events.tail(query.limit)
          : await store.events.read({ after: resumeAfter, limit: query.limit });
      let after = first.at(-1)?.id ?? resumeAfter ?? null;
      yield { comment: 'events' };
      for (const event of first.filter(fits)) yield { data: event, id: event.id };
      while (query.follow === 'true' && !signal.aborted) {
        await nextWake(signal);
        let batch: DroverEvent[];
        try {
          batch = await store.events.read({ after, limit: eventBatch });
        } catch (error) {
          if (isDroverError(error) && error.retryable) continue;
          throw error;
        }
        for (const event of batch) {
          after = event.id;
          if (fits(event)) yield { data: event, id: event.id };
        }
      }
    },

    async *getLogs({ query, signal }): AsyncGenerator<ServerSentEvent<LogLine>> {
      if (query.service !== undefined && query.instance !== undefined) {
        throw new DroverError('ARGUMENT_INVALID', 'Name a service or an instance, not both', {
          issues: [{ path: 'query.service', reason: 'at most one of service and instance may be given' }],
        });
      }
      const nodes = new Map((await store.nodes.list()).map(({ id, name }) => [id, name]));
      const cursors = new Map<string, { position: number; file: string }>();
      const streams = query.stream === 'all' ? (['out', 'err'] as const) : [query.stream];
      const read = async function* (instance: Instance, lines: number): AsyncGenerator<ServerSentEvent<LogLine>> {
        for (const stream of streams) {
          const key = `${instance.id}/${stream}`;
          const cursor = cursors.get(key);
          const chunk = await sessions.readLogs(instance.nodeId, {
            instanceId: instance.id,
            service: instance.service,
            stream,
            position: cursor?.position ?? null,
            file: cursor?.file ?? null,
            lines,
          });
          cursors.set(key, { position: chunk.position, file: chunk.file });
          for (const line of chunk.lines) {
            const { id, service, slot, nodeId } = instance;
            yield { data: { instanceId: id, service, slot, node: nodes.get(nodeId) ?? nodeId, stream, line } };
          }
        }
      };

      yield { comment: 'logs' };
      let instances = await instancesOf(query);
      for (const instance of instances) yield* tolerate(read(instance, query.lines));
      let refreshInMs = instanceRefreshMs;
      while (query.follow === 'true' && !signal.aborted) {
        await sleep(logIntervalMs, undefined, { signal }).catch(() => undefined);
        refreshInMs -= logIntervalMs;
        if (refreshInMs <= 0) {
          refreshInMs = instanceRefreshMs;
          instances = (await instancesOf(query).catch(() => instances)).filter(
            ({ status }) => !isTerminal(status.state),
          );
        }
        for (const instance of instances) yield* tolerate(read(instance, 0));
      }
    },
  };

  async function instancesOf(query: {
    service?: string | undefined;
    instance?: string | undefined;
  }): Promise<Instance[]> {
    if (query.instance !== undefined) {
      const instance = await store.instances.get(query.instance);
      if (instance === null) throw new DroverError('INSTANCE_NOT_FOUND', `No instance has the id "${query.instance}"`);
      return [instance];
    }
    const { service } = query;
    const instances = await store.instances.list(service === undefined ? {} : { service });
    if (service !== undefined && instances.length === 0 && (await store.services.get(service)) === null) {
      throw new DroverError('SERVICE_NOT_FOUND', `No service is called "${service}"`);
    }
    return instances.sort(
      (a, b) =>
        Number(a.service > b.service) - Number(a.service < b.service) || a.slot - b.slot || a.createdAt - b.createdAt,
    );
  }

  /** A node that does not answer leaves its lines out; the others go on. */
  async function* tolerate(lines: AsyncGenerator<ServerSentEvent<LogLine>>): AsyncGenerator<ServerSentEvent<LogLine>> {
    try {
      yield* lines;
    } catch (error) {
      if (!isDroverError(error)) throw error;
      yield { comment: error.message };
    }
  }

  async function nextWake(signal: AbortSignal): Promise<void> {
    const woken = childAbort(signal);
    const stop = store.onWake(() => woken.abort());
    await sleep(eventIntervalMs, undefined, { signal: woken.signal }).catch(() => undefined);
    stop();
    woken.abort();
  }
}
