import type { Instance, Node } from '../../shared/contracts/entities.ts';
import { type Draft, isLive } from './draft.ts';
import { mayBeInUse } from './routes.ts';

/** Used for an instance whose revision is not known any more: the contract's own defaults. */
const FALLBACK = { drainTimeoutMs: 30_000, routeAckTimeoutMs: 15_000 };

/**
 * Takes an instance out of service: by way of `drain` when routers may be sending to it, else at once. What has been
 * asked of it already is not asked again. Answers whether the pass had room for the step.
 */
export function retire(draft: Draft, instance: Instance, reason: string): boolean {
  if (!isLive(instance) || instance.desired !== 'run') return true;
  const desired = mayBeInUse(draft, instance) ? 'drain' : 'stop';
  return draft.act({ type: 'setDesired', instanceId: instance.id, desired, reason });
}

/**
 * Moves draining instances on to `stop`: only when every router has acknowledged a table without them and no request
 * is in flight, or when the bounded waits for that have passed.
 */
export function advanceDrains(draft: Draft): void {
  for (const instance of [...draft.instances()]) {
    if (!isLive(instance) || instance.desired !== 'drain') continue;
    if (!mayBeInUse(draft, instance)) {
      draft.act({ type: 'setDesired', instanceId: instance.id, desired: 'stop', reason: instance.drainReason });
    } else if (instance.drainEpoch !== null) {
      stopWhenUnused(draft, instance, instance.drainEpoch);
    }
  }
}

function stopWhenUnused(draft: Draft, instance: Instance, epoch: number): void {
  const spec = draft.spec(instance.service, instance.revision);
  const drainTimeoutMs = spec?.drainTimeoutMs ?? FALLBACK.drainTimeoutMs;
  const ackTimeoutMs = spec?.update.routeAckTimeoutMs ?? FALLBACK.routeAckTimeoutMs;
  const waitedMs = draft.input.nowMs - (draft.seen(instance)?.desiredAtMs ?? draft.input.nowMs);

  const missing = routersWithout(draft, epoch);
  if (missing.length > 0 && waitedMs < ackTimeoutMs) return;
  const cluster = spec?.execMode === 'cluster';
  const inUse = isBusy(draft, instance) || (cluster && !instance.status.drained);
  if (inUse && waitedMs < drainTimeoutMs) return;

  if (missing.length > 0) {
    const routers = missing.map(({ id }) => id);
    if (!draft.act({ type: 'reportAckTimeout', instanceId: instance.id, routers, epoch })) return;
  }
  draft.act({ type: 'setDesired', instanceId: instance.id, desired: 'stop', reason: instance.drainReason });
}

/** Nodes whose router may still have an older table. One that has not reported yet may have any. */
function routersWithout(draft: Draft, epoch: number): Node[] {
  const { routers, routes } = draft.input.snapshot;
  return [...draft.nodes.values()].filter((node) => {
    if (!node.router || node.state === 'lost') return false;
    const status = routers.find(({ nodeId }) => nodeId === node.id);
    return status === undefined || status.generation !== routes.generation || status.epoch < epoch;
  });
}

function isBusy(draft: Draft, instance: Instance): boolean {
  return draft.input.snapshot.routers.some(
    ({ nodeId, busy }) => busy.includes(instance.id) && draft.nodes.get(nodeId)?.state !== 'lost',
  );
}
