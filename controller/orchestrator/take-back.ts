import type { Deployment, Instance } from '../../shared/contracts/entities.ts';
import type { Draft } from './draft.ts';

/** Why an instance leaves a slot that has `fitting`, or is to get it. It stays with the instance, as its `drainReason`. */
export function leavingReason(
  draft: Draft,
  instance: Instance,
  { deployment, fitting }: { readonly deployment: Deployment | undefined; readonly fitting: Instance | null },
): string {
  if (deployment?.failures.some(({ instanceId }) => instanceId === instance.id)) {
    return `failed in ${deployment.kind} ${deployment.id}`;
  }
  const isMoved = fitting === null && draft.nodes.get(instance.nodeId)?.eligibility === 'draining';
  if (isMoved) return 'its node is draining';
  return deployment === undefined ? 'replaced' : `replaced by ${deployment.kind} ${deployment.id}`;
}

/**
 * The deployment that made it has asked it to leave, because it failed or went back. What leaves for another reason had
 * stayed when that was over. Deployments that have ended are in no snapshot, so that only the reason tells.
 */
export function wasTakenBack({ desired, deploymentId, drainReason }: Instance): boolean {
  return desired !== 'run' && deploymentId !== null && drainReason.endsWith(` ${deploymentId}`);
}
