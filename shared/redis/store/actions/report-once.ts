import type { NewEvent } from '../../../contracts/events.ts';
import { commit } from '../commit.ts';
import type { ActionContext, ActionOf } from './action-context.ts';

/** Why a slot cannot be placed; told once for as long as the reason stays the same. */
export function reportPlacement(context: ActionContext, action: ActionOf<'reportPlacement'>): Promise<boolean> {
  const { service, slot, reason } = action;
  const event: NewEvent = { type: 'placement.failed', actor: context.actor, reason, service, data: { slot } };
  return reportOnce(context, service, `slot:${slot}`, reason, event);
}

/** Routers that did not acknowledge in time; told once for each instance. */
export async function reportAckTimeout(context: ActionContext, action: ActionOf<'reportAckTimeout'>): Promise<boolean> {
  const { store, actor } = context;
  const { instanceId, routers, epoch } = action;
  const text = await store.ask('read an instance', (redis) => redis.hget(store.keys.instances, instanceId));
  if (text === null) return false;
  const { service, nodeId } = JSON.parse(text) as { service: string; nodeId: string };
  const reason = `${routers.join(', ')} did not acknowledge epoch ${epoch} in time`;
  const data = { routers, epoch };
  const event: NewEvent = { type: 'routes.ackTimedOut', actor, reason, service, instanceId, nodeId, data };
  return await reportOnce(context, service, `ack:${instanceId}`, reason, event);
}

async function reportOnce(
  { store, term }: ActionContext,
  service: string,
  field: string,
  text: string,
  event: NewEvent,
): Promise<boolean> {
  const key = store.keys.reported(service);
  const [exists, last] = await store.ask('read what was reported', (redis) =>
    Promise.all([redis.hget(store.keys.services, service), redis.hget(key, field)]),
  );
  if (exists === null) return false;
  const changed = last !== text;
  const { committed } = await commit(store, 'report', {
    term,
    expect: [
      { key: store.keys.services, field: service, text: exists },
      { key, field, text: last },
    ],
    write: changed ? [['HSET', key, field, text]] : [],
    events: changed ? [event] : [],
  });
  return committed;
}
