import { readInstances } from './read-instances.ts';
import type { StoreContext } from './store-context.ts';

/** The instances of a service that have ended by themselves and are left so, until a user asks for them again. */
export async function finishedInstances(context: StoreContext, service: string): Promise<string[]> {
  const found = await readInstances(context, context.keys.instancesOfService(service));
  return found.flatMap(({ instance: { id, desired, status } }) =>
    status.finished === true && desired === 'run' ? [id] : [],
  );
}
