import { mayTighten } from '../../../state/instance-states.ts';
import { commit } from '../commit.ts';
import type { InstanceDocument } from '../instance-document.ts';
import { readDocument } from '../read-document.ts';
import { type ActionContext, type ActionOf, instanceEvent } from './action-context.ts';

/** run → drain → stop. What was asked before is done already; nothing is ever loosened. */
export async function setDesired(context: ActionContext, action: ActionOf<'setDesired'>): Promise<boolean> {
  const { store, term } = context;
  const { keys } = store;
  const { instanceId, desired, reason } = action;
  const { value, expectation } = await readDocument<InstanceDocument>(store, keys.instances, instanceId);
  if (value === null || !mayTighten(value.desired, desired)) return false;
  const changed = value.desired !== desired;
  // Why it leaves is said once; that it is stopped after its drain is no new reason.
  const drainReason = value.drainReason === '' ? reason : value.drainReason;
  const next: InstanceDocument = { ...value, desired, drainReason, updatedAt: store.nowMs() };
  const { committed } = await commit(store, 'set what an instance should do', {
    term,
    expect: [expectation],
    write: changed ? [['HSET', keys.instances, instanceId, JSON.stringify(next)]] : [],
    events: changed
      ? [instanceEvent(context, 'instance.desiredChanged', reason, value, { from: value.desired, to: desired })]
      : [],
    ...(changed ? { wake: { kind: 'desired', nodes: [value.nodeId] } } : {}),
  });
  return committed;
}
