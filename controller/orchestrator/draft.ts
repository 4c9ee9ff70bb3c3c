import type { Deployment, Instance, Node, Service, Target } from '../../shared/contracts/entities.ts';
import type { LeaderAction } from '../../shared/contracts/leader-action.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import { initialStatus, isTerminal } from '../../shared/state/instance-states.ts';
import type { Limits } from './limits.ts';
import { type InstanceObservation, nodeSubject, type Observations, slotSubject } from './observe.ts';

export interface DecisionInput {
  readonly snapshot: Snapshot;
  readonly observations: Observations;
  readonly nowMs: number;
  /** Ids for new instances; each call gives another. */
  readonly newId: () => string;
  readonly limits: Limits;
}

/**
 * One pass in the making: the steps taken so far, and the cluster as it will be once they are applied, so that a later
 * concern of the same pass (the routing table above all) never contradicts an earlier one.
 */
export class Draft {
  readonly input: DecisionInput;
  readonly nodes = new Map<string, Node>();
  readonly actions: LeaderAction[] = [];
  readonly #instances = new Map<string, Instance>();
  readonly #specs = new Map<string, ServiceSpec>();
  readonly #byService = new Map<string, Instance[]>();

  constructor(input: DecisionInput) {
    this.input = input;
    for (const node of [...input.snapshot.nodes].sort((a, b) => compareText(a.id, b.id))) this.nodes.set(node.id, node);
    for (const { service, revision, spec } of input.snapshot.revisions) this.#specs.set(`${service}@${revision}`, spec);
    for (const instance of [...input.snapshot.instances].sort((a, b) => compareText(a.id, b.id))) this.#put(instance);
  }

  /**
   * Takes a step, unless the pass is full: then it answers false and nothing has changed. The last place is kept for
   * the routing table, so that no list of other steps, however long, can hold it up.
   */
  act(action: LeaderAction): boolean {
    const reserved = action.type === 'publishRoutes' ? 0 : 1;
    if (this.actions.length + reserved >= this.input.limits.maxActions) return false;
    this.actions.push(action);
    this.#apply(action);
    return true;
  }

  /** Tells users about a slot once per reason. */
  reportPlacement(service: string, slot: number, reason: string): void {
    if (this.input.observations.said[slotSubject(service, slot)] === reason) return;
    this.act({ type: 'reportPlacement', service, slot, reason });
  }

  saidOfNode(nodeId: string): string | undefined {
    return this.input.observations.said[nodeSubject(nodeId)];
  }

  instances(): Iterable<Instance> {
    return this.#instances.values();
  }

  instancesOf(service: string): readonly Instance[] {
    return this.#byService.get(service) ?? [];
  }

  spec(service: string, revision: number): ServiceSpec | undefined {
    return this.#specs.get(`${service}@${revision}`);
  }

  deploymentOf(service: Service): Deployment | undefined {
    if (service.deploymentId === null) return undefined;
    return this.input.snapshot.deployments.find(({ id }) => id === service.deploymentId);
  }

  seen(instance: Instance): InstanceObservation | undefined {
    return this.input.observations.instances[instance.id];
  }

  /** Its artifact and dependencies are being brought to its node, which has a deadline of its own. */
  isPreparing(instance: Instance): boolean {
    const { nowMs, limits } = this.input;
    const sinceMs = this.seen(instance)?.stateAtMs ?? nowMs;
    return instance.status.state === 'preparing' && nowMs - sinceMs < limits.prepareDeadlineMs;
  }

  /** How long it has been healthy without a break; 0 when it is not. */
  healthyForMs(instance: Instance): number {
    const seen = this.seen(instance);
    if (instance.status.health !== 'healthy' || seen === undefined) return 0;
    return Math.max(0, this.input.nowMs - seen.healthAtMs);
  }

  /** The longest it has ever been healthy without a break, as far as this leader knows. */
  longestHealthyMs(instance: Instance): number {
    return this.seen(instance)?.longestHealthyMs ?? 0;
  }

  #put(instance: Instance): void {
    const known = this.#instances.has(instance.id);
    this.#instances.set(instance.id, instance);
    const list = this.#byService.get(instance.service);
    if (list === undefined) this.#byService.set(instance.service, [instance]);
    else if (known)
      list.splice(
        list.findIndex(({ id }) => id === instance.id),
        1,
        instance,
      );
    else list.push(instance);
  }

  #apply(action: LeaderAction): void {
    switch (action.type) {
      case 'createInstance':
        this.#put(assigned(action));
        break;
      case 'setDesired':
        this.#change(action.instanceId, (instance) => ({
          ...instance,
          desired: action.desired,
          drainReason: action.reason,
        }));
        break;
      case 'loseInstance':
        this.#change(action.instanceId, (instance) => ({ ...instance, status: { ...instance.status, state: 'lost' } }));
        break;
      case 'setNodeState': {
        const node = this.nodes.get(action.nodeId);
        if (node !== undefined) this.nodes.set(node.id, { ...node, state: action.state });
        break;
      }
      case 'publishRoutes':
      case 'updateDeployment':
      case 'removeInstance':
      case 'removeService':
      case 'reportPlacement':
      case 'reportAckTimeout':
        break;
    }
  }

  #change(id: string, change: (instance: Instance) => Instance): void {
    const instance = this.#instances.get(id);
    if (instance !== undefined) this.#put(change(instance));
  }
}

function assigned(action: Extract<LeaderAction, { type: 'createInstance' }>): Instance {
  return {
    id: action.instanceId,
    service: action.service,
    slot: action.slot,
    revision: action.target.revision,
    generation: action.target.generation,
    nodeId: action.nodeId,
    port: null,
    deploymentId: action.deploymentId,
    desired: 'run',
    drainEpoch: null,
    drainReason: '',
    status: initialStatus,
    createdAt: 0,
    updatedAt: 0,
  };
}

export function isLive(instance: Instance): boolean {
  return !isTerminal(instance.status.state);
}

export function sameTarget(a: Target | null, b: Target | null): boolean {
  return a?.revision === b?.revision && a?.generation === b?.generation;
}

/** An order by code units: the same on every host, whatever its locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
