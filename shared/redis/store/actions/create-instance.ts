import type { NewEvent } from '../../../contracts/events.ts';
import { initialStatus } from '../../../state/instance-states.ts';
import { defineScript } from '../../script.ts';
import { eventLimit } from '../commit.ts';
import type { InstanceDocument, StatusDocument } from '../instance-document.ts';
import type { NodeDocument } from '../node-document.ts';
import { readDocument } from '../read-document.ts';
import { type ActionContext, type ActionOf, instanceEvent } from './action-context.ts';

/** Longer than a router may take to apply a table: a port must not get a new owner while an older table names it. */
export const portQuarantineMs = 30_000;

const createInstanceScript = defineScript<{
  keys: string[];
  args: (string | number)[];
  reply: 1 | 0 | -1;
}>({
  name: 'create-instance',
  file: new URL('../../scripts/create-instance.lua', import.meta.url),
  numberOfKeys: 13,
});

export async function createInstance(context: ActionContext, action: ActionOf<'createInstance'>): Promise<boolean> {
  const { store, term, actor } = context;
  const { keys, leaseKeys } = store;
  const { service, slot, target, nodeId, deploymentId, reason } = action;
  const node = (await readDocument<NodeDocument>(store, keys.nodes, nodeId)).value;
  if (node === null) return false;

  const nowMs = store.nowMs();
  const instance: InstanceDocument = {
    id: action.instanceId,
    service,
    slot,
    ...target,
    nodeId,
    port: null,
    deploymentId,
    desired: 'run',
    drainEpoch: null,
    drainReason: '',
    createdAt: nowMs,
    updatedAt: nowMs,
  };
  const status: StatusDocument = { ...initialStatus, reportedAt: nowMs };
  const exhausted = `no free port in ${node.ports.from}-${node.ports.to} on node ${node.name}`;
  const assigned = instanceEvent(context, 'instance.assigned', reason, instance, { slot, ...target, node: node.name });
  const refused: NewEvent = { type: 'placement.failed', actor, reason: exhausted, service, nodeId, data: { slot } };
  const reply = await store.ask('create an instance', (redis) =>
    createInstanceScript.run(
      redis,
      [
        ...[leaseKeys.lease, leaseKeys.epoch, keys.version, keys.events, keys.instances, keys.statuses, keys.nodes],
        ...[keys.services, keys.slots(service), keys.ports(nodeId), keys.instancesOnNode(nodeId)],
        ...[keys.instancesOfService(service), keys.reported(service)],
      ],
      [
        ...[keys.wake, eventLimit, String(term), JSON.stringify(instance), JSON.stringify(status)],
        ...[`${slot}/${target.revision}/${target.generation}`, action.port, `${service}@${target.revision}`],
        ...[portQuarantineMs, JSON.stringify(assigned), JSON.stringify(refused), exhausted],
      ],
    ),
  );
  return reply === 1;
}
