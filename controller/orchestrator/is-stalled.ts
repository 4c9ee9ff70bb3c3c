import type { Deployment } from '../../shared/contracts/entities.ts';
import type { Draft } from './draft.ts';
import type { SlotView } from './service-view.ts';

/**
 * The deployment has not got on for the whole deadline, not counting what the longest preparation of an instance in these
 * slots has taken of it.
 */
export function isStalled(draft: Draft, slots: readonly SlotView[], deployment: Deployment): boolean {
  const { nowMs, observations } = draft.input;
  if (slots.some(({ fitting }) => fitting !== null && draft.isPreparing(fitting))) return false;
  const changedAtMs = observations.deployments[deployment.id]?.changedAtMs ?? nowMs;
  const preparationsMs = slots
    .flatMap(({ fitting, ended }) => (fitting === null ? ended : [fitting, ...ended]))
    .map((instance) => {
      const seen = draft.seen(instance);
      return seen?.preparedAtMs == null ? 0 : seen.preparedAtMs - Math.max(seen.seenAtMs, changedAtMs);
    });
  return nowMs - changedAtMs - Math.max(0, ...preparationsMs) >= deployment.update.healthyDeadlineMs;
}
