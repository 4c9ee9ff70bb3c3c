import { readInstance, readInstances } from './read-instances.ts';
import type { InstanceStore } from './store.ts';
import type { StoreContext } from './store-context.ts';
import { takeInReport } from './take-in-report.ts';

export function createInstanceStore(context: StoreContext): InstanceStore {
  const { keys } = context;
  return {
    async list({ service, nodeId }) {
      const sets =
        service !== undefined
          ? [keys.instancesOfService(service)]
          : nodeId !== undefined
            ? [keys.instancesOnNode(nodeId)]
            : await instanceSets();
      const found = (await Promise.all(sets.map((ids) => readInstances(context, ids)))).flat();
      return found
        .map(({ instance }) => instance)
        .filter((instance) => nodeId === undefined || instance.nodeId === nodeId);
    },
    async get(id) {
      return (await readInstance(context, id))?.instance ?? null;
    },
    report: (nodeId, agentId, report) => takeInReport(context, nodeId, agentId, report),
  };

  async function instanceSets(): Promise<string[]> {
    const services = await context.ask('list services', (redis) => redis.hkeys(keys.services));
    return services.sort().map((service) => keys.instancesOfService(service));
  }
}
