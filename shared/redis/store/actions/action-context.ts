import type { NewEvent } from '../../../contracts/events.ts';
import type { LeaderAction } from '../../../contracts/leader-action.ts';
import type { StoreContext } from '../store-context.ts';

/** What each leader action is given: the store, and who leads. */
export interface ActionContext {
  readonly store: StoreContext;
  readonly term: number;
  /** `leader:<controller>`, the actor of every event. */
  readonly actor: string;
}

export type ActionOf<Type extends LeaderAction['type']> = Extract<LeaderAction, { readonly type: Type }>;

/** An event about one instance. */
export function instanceEvent(
  { actor }: ActionContext,
  type: NewEvent['type'],
  reason: string,
  instance: { id: string; service: string; nodeId: string; deploymentId: string | null },
  data: Record<string, unknown>,
): NewEvent {
  return {
    type,
    actor,
    reason,
    service: instance.service,
    instanceId: instance.id,
    nodeId: instance.nodeId,
    ...(instance.deploymentId === null ? {} : { deploymentId: instance.deploymentId }),
    data,
  };
}
