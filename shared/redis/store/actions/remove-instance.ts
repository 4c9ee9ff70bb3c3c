import { isTerminal } from '../../../state/instance-states.ts';
import { commit, type Write } from '../commit.ts';
import { readInstance } from '../read-instances.ts';
import type { ActionContext, ActionOf } from './action-context.ts';

/** Forgets a terminal instance. That it ended is an event already. */
export async function removeInstance(context: ActionContext, action: ActionOf<'removeInstance'>): Promise<boolean> {
  const { store, term } = context;
  const { keys } = store;
  const { instanceId } = action;
  const stored = await readInstance(store, instanceId);
  if (stored === null) {
    await commit(store, 'forget an instance', { term, expect: [], write: [], events: [] });
    return true;
  }
  const { instance, documentText, statusText } = stored;
  if (!isTerminal(instance.status.state)) return false;
  const { service, nodeId, slot, revision, generation } = instance;
  const slotAndTarget = `${slot}/${revision}/${generation}`;
  const holder = await store.ask('read a slot', (redis) => redis.hget(keys.slots(service), slotAndTarget));
  const write: Write[] = [
    ['HDEL', keys.instances, instanceId],
    ['HDEL', keys.statuses, instanceId],
    ['SREM', keys.instancesOnNode(nodeId), instanceId],
    ['SREM', keys.instancesOfService(service), instanceId],
    ['HDEL', keys.reported(service), `ack:${instanceId}`],
  ];
  if (holder === instanceId) write.push(['HDEL', keys.slots(service), slotAndTarget]);
  const { committed } = await commit(store, 'forget an instance', {
    term,
    expect: [
      { key: keys.instances, field: instanceId, text: documentText },
      { key: keys.statuses, field: instanceId, text: statusText },
      { key: keys.slots(service), field: slotAndTarget, text: holder },
    ],
    write,
    releasePorts: [{ nodeId, instanceId }],
    events: [],
    wake: { kind: 'desired', nodes: [nodeId] },
  });
  return committed;
}
