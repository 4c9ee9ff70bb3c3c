import type { LeaderAction } from '../../contracts/leader-action.ts';
import type { ActionContext } from './actions/action-context.ts';
import { createInstance } from './actions/create-instance.ts';
import { loseInstance } from './actions/lose-instance.ts';
import { publishRoutes } from './actions/publish-routes.ts';
import { removeInstance } from './actions/remove-instance.ts';
import { removeService } from './actions/remove-service.ts';
import { reportAckTimeout, reportPlacement } from './actions/report-once.ts';
import { setDesired } from './actions/set-desired.ts';
import { setNodeState } from './actions/set-node-state.ts';
import { updateDeployment } from './actions/update-deployment.ts';
import { commit } from './commit.ts';
import { createSnapshotReader } from './read-snapshot.ts';
import type { LeaderStore } from './store.ts';
import type { StoreContext } from './store-context.ts';

export function createLeaderStore(store: StoreContext): LeaderStore {
  return {
    snapshot: createSnapshotReader(store),
    async apply(term, controllerId, action) {
      const fits = await applyAction({ store, term, actor: `leader:${controllerId}` }, action);
      // "Does not fit" may be what a leader of an older term sees: it must hear that it leads no more.
      if (!fits) await commit(store, 'check the term', { term, expect: [], write: [], events: [] });
      return fits;
    },
  };
}

function applyAction(context: ActionContext, action: LeaderAction): Promise<boolean> {
  switch (action.type) {
    case 'createInstance':
      return createInstance(context, action);
    case 'setDesired':
      return setDesired(context, action);
    case 'publishRoutes':
      return publishRoutes(context, action);
    case 'updateDeployment':
      return updateDeployment(context, action);
    case 'setNodeState':
      return setNodeState(context, action);
    case 'loseInstance':
      return loseInstance(context, action);
    case 'removeInstance':
      return removeInstance(context, action);
    case 'removeService':
      return removeService(context, action);
    case 'reportPlacement':
      return reportPlacement(context, action);
    case 'reportAckTimeout':
      return reportAckTimeout(context, action);
  }
}
