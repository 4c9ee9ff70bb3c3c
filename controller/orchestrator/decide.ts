import type { Service } from '../../shared/contracts/entities.ts';
import type { LeaderAction } from '../../shared/contracts/leader-action.ts';
import { followDeployment, judgeDeployment, supersede } from './deployment.ts';
import { compareText, type DecisionInput, Draft } from './draft.ts';
import { advanceDrains, retire } from './drain.ts';
import { collectGarbage } from './garbage.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { judgeNodes } from './liveness.ts';
import { rollSlots } from './rollout.ts';
import { publishRoutes } from './routes.ts';
import { viewService } from './service-view.ts';

/**
 * What the leader does next, in order: at most `limits.maxActions` steps. Level-triggered: everything follows from the
 * snapshot and from what was observed, so that a crash between two steps, a step refused by the store, or another
 * leader changes nothing but the time it takes. Deciding again on the same input gives the same steps.
 */
export function decide(input: Omit<DecisionInput, 'limits'> & { readonly limits?: Limits }): LeaderAction[] {
  const limits = input.limits ?? defaultLimits;
  const draft = new Draft({ ...input, limits });
  judgeNodes(draft);
  advanceDrains(draft);
  for (const service of [...input.snapshot.services].sort((a, b) => compareText(a.name, b.name))) {
    reconcileService(draft, service);
  }
  publishRoutes(draft);
  collectGarbage(draft);
  return draft.actions;
}

function reconcileService(draft: Draft, service: Service): void {
  if (service.stopped || service.deleted) {
    const reason = `the service was ${service.deleted ? 'deleted' : 'stopped'}`;
    supersede(draft, { service, deployment: draft.deploymentOf(service) }, reason);
    for (const instance of draft.instancesOf(service.name)) retire(draft, instance, reason);
    return;
  }
  const spec = draft.spec(service.name, service.target.revision);
  if (spec === undefined) return;
  const view = viewService(draft, service, spec);
  if (judgeDeployment(draft, view)) return;
  followDeployment(draft, view, rollSlots(draft, view));
}
