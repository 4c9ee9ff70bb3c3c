import { isTerminal } from '../../../state/instance-states.ts';
import { commit } from '../commit.ts';
import type { StatusDocument } from '../instance-document.ts';
import { readInstance } from '../read-instances.ts';
import { type ActionContext, type ActionOf, instanceEvent } from './action-context.ts';

/** Gives an instance up. Its port stays leased: the process may still run where nobody can look. */
export async function loseInstance(context: ActionContext, action: ActionOf<'loseInstance'>): Promise<boolean> {
  const { store, term } = context;
  const { keys } = store;
  const { instanceId, reason } = action;
  const stored = await readInstance(store, instanceId);
  if (stored === null) return false;
  const { instance, statusText } = stored;
  const { status } = instance;
  if (isTerminal(status.state) && status.state !== 'lost') return false;
  const changed = status.state !== 'lost';
  const version = await store.ask('read the version', (redis) => redis.get(keys.version));
  const next: StatusDocument = {
    ...status,
    state: 'lost',
    healthyForMs: 0,
    reason,
    reportedAt: store.nowMs(),
    lostAtVersion: Number(version ?? 0) + 1,
  };
  const { committed } = await commit(store, 'give an instance up', {
    term,
    expect: [
      { key: keys.statuses, field: instanceId, text: statusText },
      { key: keys.version, text: version },
    ],
    write: changed ? [['HSET', keys.statuses, instanceId, JSON.stringify(next)]] : [],
    events: changed
      ? [instanceEvent(context, 'instance.stateChanged', reason, instance, { from: status.state, to: 'lost' })]
      : [],
    ...(changed ? { wake: { kind: 'desired', nodes: [instance.nodeId] } } : {}),
  });
  return committed;
}
