import type { RouterStatus, RoutingTable } from '../../../contracts/entities.ts';
import { isAhead } from '../../../state/routing-epochs.ts';
import { canonicalJson } from '../canonical-json.ts';
import { commit, type Expectation, type Write } from '../commit.ts';
import type { InstanceDocument } from '../instance-document.ts';
import { readDocument } from '../read-document.ts';
import { parseRoutes } from '../route-store.ts';
import type { ActionContext, ActionOf } from './action-context.ts';

/**
 * Publishes the next epoch: the last one plus one, or the clock of Redis in milliseconds, whichever is higher, so that a store
 * that lost its last writes gives no number again that a router has; and higher than what a router is known to have, since
 * the clock may have been set back. An instance keeps the first epoch that had it no longer; one that has gone in between
 * needs none. Equal content and nothing newly drained is no new epoch, unless a router has a later one than the store.
 */
export async function publishRoutes(context: ActionContext, action: ActionOf<'publishRoutes'>): Promise<boolean> {
  const { store, term, actor } = context;
  const { keys } = store;
  const [text, generation, routers, [seconds, microseconds]] = await store.ask('read the routes', (redis) =>
    Promise.all([
      redis.get(keys.routes),
      redis.hget(keys.cluster, 'generation'),
      redis.hvals(keys.routers),
      redis.time(),
    ]),
  );
  const current = parseRoutes(text ?? '', generation ?? '');
  const ahead = routers.map((text) => JSON.parse(text) as RouterStatus).filter((router) => isAhead(router, current));
  const clockMs = Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  const table: RoutingTable = {
    epoch: Math.max(current.epoch + 1, clockMs, ...ahead.map(({ epoch }) => epoch + 1)),
    generation: generation ?? '',
    services: [...action.services],
  };

  const expect: Expectation[] = [{ key: keys.routes, text }];
  const write: Write[] = [];
  for (const instanceId of action.drained) {
    const { value, expectation } = await readDocument<InstanceDocument>(store, keys.instances, instanceId);
    if (value === null || value.drainEpoch !== null) continue;
    const next: InstanceDocument = { ...value, drainEpoch: table.epoch, updatedAt: store.nowMs() };
    expect.push(expectation);
    write.push(['HSET', keys.instances, instanceId, JSON.stringify(next)]);
  }
  const same = canonicalJson(current.services) === canonicalJson(table.services);
  const changed = write.length > 0 || !same || ahead.length > 0 || current.generation !== table.generation;
  if (changed) write.push(['SET', keys.routes, JSON.stringify(table)]);
  const { committed } = await commit(store, 'publish the routes', {
    term,
    expect,
    write,
    events: changed
      ? [
          {
            type: 'routes.published',
            actor,
            reason: action.reason,
            data: { epoch: table.epoch, drained: action.drained },
          },
        ]
      : [],
    ...(changed ? { wake: { kind: 'desired' } } : {}),
  });
  return committed;
}
