import type { RouterStatus, RoutingTable } from '../../contracts/entities.ts';
import type { RouteStore } from './store.ts';
import type { StoreContext } from './store-context.ts';

export function createRouteStore(context: StoreContext): RouteStore {
  const { keys } = context;
  return {
    async current() {
      const [text, generation] = await context.ask('read the routes', (redis) =>
        Promise.all([redis.get(keys.routes), redis.hget(keys.cluster, 'generation')]),
      );
      return parseRoutes(text ?? '', generation ?? '');
    },
    async routers() {
      const texts = await context.ask('list routers', (redis) => redis.hvals(keys.routers));
      return texts.map((text) => JSON.parse(text) as RouterStatus).sort((a, b) => a.nodeId.localeCompare(b.nodeId));
    },
  };
}

/** The table as stored; before the first epoch an empty one. */
export function parseRoutes(text: string, generation: string): RoutingTable {
  return text === '' ? { epoch: 0, generation, services: [] } : (JSON.parse(text) as RoutingTable);
}
