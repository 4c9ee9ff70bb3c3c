import type { Node } from '../../../contracts/entities.ts';
import type { EventType } from '../../../contracts/events.ts';
import { commit } from '../commit.ts';
import type { ActionContext, ActionOf } from './action-context.ts';

const eventOf = {
  ready: 'node.connected',
  disconnected: 'node.disconnected',
  lost: 'node.lost',
} as const satisfies Record<Node['state'], EventType>;

export async function setNodeState(context: ActionContext, action: ActionOf<'setNodeState'>): Promise<boolean> {
  const { store, term, actor } = context;
  const { keys } = store;
  const { nodeId, state, reason } = action;
  const [document, before] = await store.ask('read a node', (redis) =>
    Promise.all([redis.hget(keys.nodes, nodeId), redis.hget(keys.nodeStates, nodeId)]),
  );
  if (document === null) return false;
  const changed = before !== state;
  const { committed } = await commit(store, 'set the state of a node', {
    term,
    expect: [
      { key: keys.nodes, field: nodeId, text: document },
      { key: keys.nodeStates, field: nodeId, text: before },
    ],
    write: changed ? [['HSET', keys.nodeStates, nodeId, state]] : [],
    events: changed ? [{ type: eventOf[state], actor, reason, nodeId, data: { from: before, to: state } }] : [],
    ...(changed ? { wake: { kind: 'desired', nodes: [nodeId] } } : {}),
  });
  return committed;
}
