import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../sdk/client/create-client.ts';
import { isDroverError } from '../../shared/contracts/drover-error.ts';
import type { Deployment } from '../../shared/contracts/entities.ts';
import type { ServiceView } from '../../shared/contracts/operations.ts';

/** What is known of a service at one moment. */
export interface Observation {
  /** Null when the service is not there any more. */
  readonly service: ServiceView | null;
  /** The deployment followed, if one is. */
  readonly deployment: Deployment | null;
  readonly nodeName: (nodeId: string) => string;
  /** Why nothing newer is known: controllers or store cannot be reached, and are tried again. */
  readonly waiting?: string;
}

/** Two small requests: quick enough for a person, light enough for a controller with many who watch. */
const intervalMs = 250;

/**
 * Looks at a service again and again, for as long as the caller wants to know. State is read, not events counted, so that
 * the loss of a controller or of Redis delays what is shown and never falsifies it.
 */
export async function* observeService(
  client: Client,
  target: { readonly name: string; readonly deploymentId: string | null },
  signal: AbortSignal,
): AsyncGenerator<Observation> {
  const names = new Map<string, string>();
  let last: Observation = { service: null, deployment: null, nodeName: (id) => names.get(id) ?? id };
  for (;;) {
    try {
      const [deployment, service] = await Promise.all([
        target.deploymentId === null ? null : client.getDeployment({ params: { id: target.deploymentId } }),
        client.getService({ params: { name: target.name } }).catch(nullIfGone),
      ]);
      if (service?.instances.some(({ nodeId }) => !names.has(nodeId)) === true) {
        for (const node of await client.listNodes()) names.set(node.id, node.name);
        // A node that was removed keeps its id as its name, and is not asked for again.
        for (const { nodeId } of service.instances) if (!names.has(nodeId)) names.set(nodeId, nodeId);
      }
      last = { service, deployment, nodeName: last.nodeName };
    } catch (error) {
      if (!isDroverError(error) || !error.retryable) throw error;
      const { waiting: _, ...known } = last;
      last = {
        ...known,
        waiting: error.code === 'STORE_UNREACHABLE' ? 'waiting for the store…' : 'waiting for a controller…',
      };
    }
    yield last;
    await sleep(intervalMs, undefined, { signal }).catch(() => {
      throw signal.reason;
    });
  }
}

function nullIfGone(error: unknown): null {
  if (isDroverError(error) && error.code === 'SERVICE_NOT_FOUND') return null;
  throw error;
}
