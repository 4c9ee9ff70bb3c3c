import type { Deployment } from '../../contracts/entities.ts';
import { readDocument } from './read-document.ts';
import type { DeploymentStore } from './store.ts';
import type { StoreContext } from './store-context.ts';

export function createDeploymentStore(context: StoreContext): DeploymentStore {
  const { keys } = context;
  return {
    async list({ service, limit }) {
      if (limit < 1) return [];
      const index = service === undefined ? keys.deploymentOrder : keys.deploymentsOf(service);
      const ids = await context.ask('list deployments', (redis) => redis.zrevrange(index, 0, limit - 1));
      if (ids.length === 0) return [];
      const texts = await context.ask('read deployments', (redis) => redis.hmget(keys.deployments, ...ids));
      return texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as Deployment]));
    },
    async get(id) {
      return (await readDocument<Deployment>(context, keys.deployments, id)).value;
    },
  };
}
