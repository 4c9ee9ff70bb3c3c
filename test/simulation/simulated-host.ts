import type { Plan } from '../../shared/contracts/agent-session.ts';
import type { InstanceStatus, RoutingTable } from '../../shared/contracts/entities.ts';
import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import type { SeededRandom } from './seeded-random.ts';

/** How a worker of a revision behaves; its spec carries the word in `script`. */
export type Behaviour = 'good' | 'crash' | 'never-ready' | 'sick' | 'unfetched';

/** Why a worker never runs. */
const failuresAtStart: Partial<Record<Behaviour, string>> = {
  crash: 'exited with code 1',
  'never-ready': 'not ready within 3000 ms',
  unfetched: 'infrastructure: no controller sends the artifact',
};

interface Worker {
  readonly instanceId: string;
  readonly service: string;
  readonly behaviour: Behaviour;
  readonly port: number | null;
  state: InstanceStatus['state'];
  health: InstanceStatus['health'];
  nextAtMs: number;
  healthySinceMs: number;
  restarts: number;
  reason: string;
  /** How its process ended: `stopped` by us is the one that no request may meet. */
  gone: 'no' | 'stopped' | 'fault';
}

interface RequestInFlight {
  readonly instanceId: string;
  readonly endsAtMs: number;
}

/** One host: agent, workers and router, with the faults that may befall each. All instants are the world's. */
export class SimulatedHost {
  readonly id: string;
  readonly workers = new Map<string, Worker>();
  up = true;
  agentUp = true;
  partitioned = false;
  session = 1;
  sequence = 0;
  plan: Plan | null = null;
  /** Whether a controller has confirmed the plan in this life of the agent. */
  confirmed = false;
  table: RoutingTable = { epoch: 0, generation: 'g1', services: [] };
  requests: RequestInFlight[] = [];
  readonly #random: SeededRandom;

  constructor(id: string, random: SeededRandom) {
    this.id = id;
    this.#random = random;
  }

  get connected(): boolean {
    return this.up && this.agentUp && !this.partitioned;
  }

  kill(): void {
    this.up = false;
    this.agentUp = false;
    for (const worker of this.workers.values()) if (worker.gone === 'no') worker.gone = 'fault';
    this.workers.clear();
    this.requests = [];
    this.table = { epoch: 0, generation: 'g1', services: [] };
  }

  startAgent(): void {
    this.up = true;
    this.agentUp = true;
    this.confirmed = false;
    this.session += 1;
    this.sequence = 0;
  }

  /** Takes a plan unless it is older than the one it holds. */
  receive(plan: Plan): void {
    this.confirmed = true;
    const held = this.plan;
    if (held !== null && (plan.term < held.term || (plan.term === held.term && plan.version < held.version))) return;
    this.plan = plan;
  }

  /** Moves the workers on; `crash` makes one fail now. */
  step(nowMs: number): void {
    if (!this.up) return;
    if (this.agentUp && this.plan !== null) this.#follow(this.plan, nowMs);
    for (const worker of this.workers.values()) if (worker.gone === 'no') this.#advance(worker, nowMs);
    this.requests = this.requests.filter(({ endsAtMs }) => endsAtMs > nowMs);
  }

  crashOne(nowMs: number, forGood: boolean): void {
    const running = [...this.workers.values()].filter(({ state, gone }) => state === 'running' && gone === 'no');
    if (running.length === 0) return;
    const worker = this.#random.pick(running);
    worker.restarts += 1;
    worker.health = 'unknown';
    worker.nextAtMs = nowMs + this.#random.between(200, 3_000);
    worker.healthySinceMs = worker.nextAtMs;
    if (!forGood) return;
    worker.state = 'failed';
    worker.reason = 'exited with code 1';
    worker.gone = 'fault';
  }

  statuses(nowMs: number): { instanceId: string; status: InstanceStatus }[] {
    return [...this.workers.values()].map((worker) => ({
      instanceId: worker.instanceId,
      status: {
        state: worker.state,
        health: worker.health,
        healthyForMs: worker.health === 'healthy' ? Math.max(0, nowMs - worker.healthySinceMs) : 0,
        pid: 1,
        port: worker.state === 'running' ? worker.port : null,
        restarts: worker.restarts,
        reason: worker.reason,
        drained: true,
        lastExit: null,
        startedAt: null,
      },
    }));
  }

  busy(): string[] {
    const routed = new Set(this.table.services.flatMap(({ endpoints }) => endpoints.map((e) => e.instanceId)));
    return [...new Set(this.requests.map(({ instanceId }) => instanceId))].filter((id) => !routed.has(id)).sort();
  }

  #follow(plan: Plan, nowMs: number): void {
    const assigned = new Set(plan.assignments.map(({ instanceId }) => instanceId));
    for (const assignment of plan.assignments) {
      const worker = this.workers.get(assignment.instanceId);
      if (worker === undefined) {
        if (assignment.desired === 'stop') this.workers.set(assignment.instanceId, this.#stub(assignment));
        else if (this.confirmed) this.workers.set(assignment.instanceId, this.#start(plan, assignment, nowMs));
      } else if (assignment.desired === 'stop') this.#stop(worker, nowMs);
    }
    if (!this.confirmed) return;
    for (const worker of this.workers.values()) {
      if (assigned.has(worker.instanceId)) continue;
      this.#stop(worker, nowMs);
      if (worker.gone !== 'no') this.workers.delete(worker.instanceId);
    }
  }

  #start(plan: Plan, assignment: Plan['assignments'][number], nowMs: number): Worker {
    const spec = plan.revisions.find(
      ({ service, revision }) => service === assignment.service && revision === assignment.revision,
    )?.spec as ServiceSpec;
    return {
      ...this.#stub(assignment),
      behaviour: spec.script as Behaviour,
      state: 'starting',
      gone: 'no',
      nextAtMs: nowMs + this.#random.between(100, 1_500),
    };
  }

  #stub({ instanceId, service, port }: Plan['assignments'][number]): Worker {
    return {
      instanceId,
      service,
      behaviour: 'good',
      port,
      state: 'stopped',
      health: 'unknown',
      nextAtMs: 0,
      healthySinceMs: 0,
      restarts: 0,
      reason: '',
      gone: 'stopped',
    };
  }

  #stop(worker: Worker, nowMs: number): void {
    if (worker.gone !== 'no' || worker.state === 'stopping') return;
    worker.state = 'stopping';
    worker.health = 'unknown';
    worker.gone = 'stopped';
    worker.nextAtMs = nowMs + this.#random.between(50, 1_000);
    worker.state = 'stopped';
  }

  #advance(worker: Worker, nowMs: number): void {
    if (nowMs < worker.nextAtMs) return;
    if (worker.state === 'starting') {
      const reason = failuresAtStart[worker.behaviour];
      if (reason !== undefined) {
        worker.state = 'failed';
        worker.reason = reason;
        worker.gone = 'fault';
        return;
      }
      worker.state = 'running';
      worker.nextAtMs = nowMs + this.#random.between(0, 400);
    } else if (worker.state === 'running' && worker.health === 'unknown') {
      worker.health = 'healthy';
      worker.healthySinceMs = nowMs;
      worker.nextAtMs =
        worker.behaviour === 'sick' ? nowMs + this.#random.between(600, 2_000) : Number.POSITIVE_INFINITY;
    } else if (worker.state === 'running' && worker.behaviour === 'sick' && worker.health === 'healthy') {
      worker.health = 'unhealthy';
      worker.reason = 'GET /health answered 503';
      worker.nextAtMs = Number.POSITIVE_INFINITY;
    }
  }
}
