import { decide } from '../../controller/orchestrator/decide.ts';
import { type Observations, observe } from '../../controller/orchestrator/observe.ts';
import { buildPlan } from '../../controller/realtime/build-plan.ts';
import type { Instance } from '../../shared/contracts/entities.ts';
import type { LeaderAction } from '../../shared/contracts/leader-action.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import { type ServiceSpec, serviceSpecSchema } from '../../shared/contracts/spec.ts';
import { isTerminal } from '../../shared/state/instance-states.ts';
import { SeededRandom } from './seeded-random.ts';
import { type Behaviour, SimulatedHost } from './simulated-host.ts';
import { SimulatedStore, StaleTermError } from './simulated-store.ts';

export type Decide = typeof decide;

/** An invariant of DESIGN 9 was broken; the message begins with its number. */
export class BrokenInvariant extends Error {}

/** One step of the world. Small against every delay in it. */
const TICK_MS = 100;

/** Faults and edits happen for this long; afterwards everything must come to rest. */
const FAULTS_MS = 60_000;

/** By then every bounded wait has passed several times over. */
const SETTLE_LIMIT_MS = 600_000;

/** No step of the leader for this long means rest: longer than the longest pause of the backoff. */
const QUIET_MS = 70_000;

/** Steps kept for the report of a failure. */
const LOG_LENGTH = 50;

interface Leader {
  term: number;
  observations: Observations | null;
  nextAtMs: number;
  applied: LeaderAction[];
}

/** A whole cluster in memory, driven by one seed: real decisions over simulated hosts, clients, users and faults. */
export class SimulatedCluster {
  readonly store = new SimulatedStore();
  readonly log: string[] = [];
  readonly #random: SeededRandom;
  readonly #decide: Decide;
  readonly #hosts: SimulatedHost[] = [];
  readonly #queue: { atMs: number; run: () => void }[] = [];
  /** Stops that did not wait for a router: reported as timed out, or the router's host was lost at that time. */
  readonly #excused = new Set<string>();
  #leader: Leader = { term: 0, observations: null, nextAtMs: 0, applied: [] };
  #leaderless = 0;
  #nowMs = 0;
  #ids = 0;

  constructor(seed: number, decideWith: Decide = decide) {
    this.#random = new SeededRandom(seed);
    this.#decide = decideWith;
    const hosts = this.#random.between(2, 5);
    for (let index = 0; index < hosts; index += 1) {
      const id = `n${index}`;
      this.store.nodes.set(id, {
        id,
        name: `host-${index}`,
        address: `127.0.0.${index + 1}`,
        cores: 2,
        memoryBytes: 1_000_000_000,
        ports: { from: 20_000, to: 20_099 },
        labels: {},
        router: index < 2,
        version: '1',
        eligibility: 'eligible',
        state: 'ready',
        joinedAt: 0,
        heartbeat: 0,
        heartbeatAt: 0,
      });
      this.#hosts.push(new SimulatedHost(id, this.#random));
    }
    this.#elect();
  }

  /** Runs faults, then waits for rest. @throws BrokenInvariant */
  run(): void {
    for (const name of ['web', 'api']) this.store.deploy(this.#spec(name, 'good'));
    while (this.#nowMs < FAULTS_MS) {
      this.#disturb();
      this.#tick();
    }
    this.#heal();
    this.#repairServices();
    this.#settle();
    if (this.#repairServices()) this.#settle();
    this.#checkRest();
  }

  #settle(): void {
    let quietSinceMs = this.#nowMs;
    const giveUpAtMs = this.#nowMs + SETTLE_LIMIT_MS;
    while (this.#nowMs - quietSinceMs < QUIET_MS) {
      if (this.#tick() > 0) quietSinceMs = this.#nowMs;
      if (this.#nowMs > giveUpAtMs) throw new BrokenInvariant('I3 does not come to rest');
    }
  }

  // ---- time -----------------------------------------------------------------------------------------------------
  #tick(): number {
    this.#nowMs += TICK_MS;
    const due = this.#queue.filter(({ atMs }) => atMs <= this.#nowMs);
    for (const entry of due) {
      this.#queue.splice(this.#queue.indexOf(entry), 1);
      entry.run();
    }
    for (const host of this.#hosts) this.#stepHost(host);
    const steps = this.#lead();
    this.#sendRequests();
    return steps;
  }

  #later(mostMs: number, run: () => void): void {
    this.#queue.push({ atMs: this.#nowMs + this.#random.between(0, mostMs), run });
  }

  #note(text: string): void {
    this.log.push(`${(this.#nowMs / 1_000).toFixed(1)} s  ${text}`);
    if (this.log.length > LOG_LENGTH) this.log.shift();
  }

  // ---- leaders --------------------------------------------------------------------------------------------------
  #elect(): void {
    this.store.term += 1;
    this.#leader = { term: this.store.term, observations: null, nextAtMs: this.#nowMs, applied: [] };
    this.#note(`leader of term ${this.store.term}`);
  }

  #lead(): number {
    if (this.#nowMs < this.#leaderless || this.#nowMs < this.#leader.nextAtMs) return 0;
    const leader = this.#leader;
    leader.nextAtMs = this.#nowMs + this.#random.between(100, 300);
    const snapshot = this.store.snapshot();
    leader.observations = observe(leader.observations, snapshot, this.#nowMs, { applied: leader.applied });
    leader.applied = [];
    const actions = this.#decide({
      snapshot,
      observations: leader.observations,
      nowMs: this.#nowMs,
      newId: () => `i${String(this.#ids++).padStart(5, '0')}`,
    });
    if (actions.length > 100) throw new BrokenInvariant(`a pass of ${actions.length} steps`);
    this.#checkPass(snapshot, actions);
    // A leader may die, or be paused and act late, between any two steps.
    const disturbed = this.#nowMs < FAULTS_MS && actions.length > 0 && this.#random.chance(0.02);
    const done = disturbed ? this.#random.between(0, actions.length - 1) : actions.length;
    for (const action of actions.slice(0, done)) {
      if (!this.#apply(leader.term, action)) break;
      leader.applied.push(action);
    }
    if (disturbed) this.#replaceLeader(leader.term, actions.slice(done));
    return actions.length;
  }

  #replaceLeader(term: number, left: readonly LeaderAction[]): void {
    this.#leaderless = this.#nowMs + this.#random.between(500, 4_000);
    this.#queue.push({ atMs: this.#leaderless - TICK_MS, run: () => this.#elect() });
    const late = this.#random.chance(0.5);
    this.#note(late ? `leader of term ${term} is paused` : `leader of term ${term} dies`);
    if (!late) return;
    this.#queue.push({
      atMs: this.#leaderless + this.#random.between(0, 5_000),
      run: () => {
        for (const action of left) if (!this.#apply(term, action)) return;
      },
    });
  }

  #apply(term: number, action: LeaderAction): boolean {
    const newest = this.store.term;
    try {
      const applied = this.store.apply(term, action);
      if (term !== newest) throw new BrokenInvariant(`I1 a step of term ${term} was accepted in term ${newest}`);
      this.#note(`${applied ? '' : 'refused: '}${JSON.stringify(action)}`);
      if (applied && action.type === 'reportAckTimeout') this.#excused.add(action.instanceId);
      if (applied && action.type === 'setDesired' && action.desired === 'stop') this.#excuseLost(action.instanceId);
      return applied;
    } catch (error) {
      if (error instanceof StaleTermError) return false;
      throw error;
    }
  }

  #excuseLost(instanceId: string): void {
    for (const { id, state } of this.store.nodes.values()) {
      if (state === 'lost') this.#excused.add(`${id} ${instanceId}`);
    }
  }

  // ---- hosts ----------------------------------------------------------------------------------------------------
  #stepHost(host: SimulatedHost): void {
    host.step(this.#nowMs);
    if (!host.connected) return;
    if (this.#nowMs % 1_000 === 0) this.store.heartbeat(host.id);
    if (this.#random.chance(0.5)) {
      const plan = buildPlan(host.id, this.store.snapshot(), [], null);
      const deliver = () => host.connected && host.receive(plan);
      this.#later(400, deliver);
      if (this.#random.chance(0.1)) this.#later(1_500, deliver);
    }
    if (host.agentUp && host.plan?.routes && host.plan.routes.epoch > host.table.epoch && this.#random.chance(0.4)) {
      host.table = host.plan.routes;
    }
    this.#report(host);
  }

  #report(host: SimulatedHost): void {
    host.sequence += 1;
    const router = this.store.nodes.get(host.id)?.router
      ? { epoch: host.table.epoch, generation: 'g1', busy: host.busy(), errors: [], listen: '' }
      : null;
    const report = { sequence: host.sequence, planVersion: 0, instances: host.statuses(this.#nowMs), router };
    const { session } = host;
    const deliver = () =>
      !host.partitioned && host.session === session && this.store.report(host.id, `${session}`, report);
    this.#later(300, deliver);
    if (this.#nowMs < FAULTS_MS && this.#random.chance(0.05)) this.#later(2_000, deliver);
  }

  // ---- clients --------------------------------------------------------------------------------------------------
  #sendRequests(): void {
    for (const router of this.#hosts) {
      if (!router.up) continue;
      for (const { name, endpoints } of router.table.services) {
        if (endpoints.length === 0 || !this.#random.chance(0.5)) continue;
        const endpoint = this.#random.pick(endpoints);
        router.requests.push({
          instanceId: endpoint.instanceId,
          endsAtMs: this.#nowMs + this.#random.between(0, 2_500),
        });
        this.#checkServed(router, name, endpoint.instanceId);
      }
      for (const { instanceId } of router.requests) this.#checkServed(router, 'in flight', instanceId);
    }
  }

  #checkServed(router: SimulatedHost, service: string, instanceId: string): void {
    const instance = this.store.instances.get(instanceId);
    const worker = this.#hosts.map(({ workers }) => workers.get(instanceId)).find((found) => found !== undefined);
    if (worker?.gone !== 'stopped' || this.#excused.has(instanceId)) return;
    // A lost host was given up: what it still does is the fault's.
    if (instance === undefined || instance.status.state === 'lost') return;
    if (this.#excused.has(`${router.id} ${instanceId}`)) return;
    throw new BrokenInvariant(`I6 a request of ${service} through ${router.id} met ${instanceId}, which was stopped`);
  }

  // ---- invariants of a pass ---------------------------------------------------------------------------------------
  #checkPass(snapshot: Snapshot, actions: readonly LeaderAction[]): void {
    const created = new Set<string>();
    const lost = new Set(actions.flatMap((action) => (action.type === 'loseInstance' ? [action.instanceId] : [])));
    const instances = new Map(snapshot.instances.map((instance) => [instance.id, instance]));
    const isUp = (instance: Instance) => !isTerminal(instance.status.state) && !lost.has(instance.id);
    const leaving = new Map<string, Instance[]>();
    for (const action of actions) {
      if (action.type === 'createInstance') {
        const slot = `${action.service}/${action.slot}`;
        if (created.has(slot)) throw new BrokenInvariant(`I2 two instances for ${slot} in one pass`);
        created.add(slot);
        const present = snapshot.instances.filter((i) => `${i.service}/${i.slot}` === slot && isUp(i));
        if (this.#orderOf(snapshot, action.service) === 'stop-first' && present.length > 0) {
          throw new BrokenInvariant(`I2 ${slot} is stop-first and still has ${present.map(({ id }) => id)}`);
        }
      }
      if (action.type === 'setDesired' && action.desired !== 'stop') {
        const instance = instances.get(action.instanceId);
        if (instance !== undefined) leaving.set(instance.service, [...(leaving.get(instance.service) ?? []), instance]);
      }
    }
    for (const [service, gone] of leaving) this.#checkCapacity(snapshot, service, gone);
  }

  /** I4 and I13: nothing that serves is taken away before something else serves in its slot. */
  #checkCapacity(snapshot: Snapshot, name: string, gone: readonly Instance[]): void {
    const service = snapshot.services.find((candidate) => candidate.name === name);
    if (service === undefined || service.stopped || service.deleted) return;
    if (typeof service.scale.instances !== 'number' || service.scale.hosts !== undefined) return;
    const count = service.scale.instances;
    const deployment = snapshot.deployments.find(({ id }) => id === service.deploymentId);
    const failed = new Set(deployment?.failures.map(({ instanceId }) => instanceId));
    const endpoints = snapshot.routes.services.find((routed) => routed.name === name)?.endpoints ?? [];
    const serves = (instance: Instance) =>
      instance.desired === 'run' &&
      instance.status.state === 'running' &&
      instance.status.health === 'healthy' &&
      endpoints.some(({ instanceId }) => instanceId === instance.id);
    const mine = snapshot.instances.filter(
      (instance) => instance.service === name && instance.slot < count && serves(instance),
    );
    const left = mine.filter((instance) => !gone.includes(instance));
    const slotsOf = (instances: readonly Instance[]) => new Set(instances.map(({ slot }) => slot)).size;
    const stopFirst = this.#orderOf(snapshot, name) === 'stop-first';
    const parallel = deployment?.kind === 'restart' ? count : Math.max(1, Math.floor(count / 3));
    const floor = stopFirst ? Math.min(slotsOf(mine), count - parallel) : slotsOf(mine);
    const excusedSlots = slotsOf(mine.filter(({ id }) => failed.has(id)));
    if (slotsOf(left) < floor - excusedSlots) {
      const rule = deployment?.state === 'rolling-back' ? 'I13' : 'I4';
      throw new BrokenInvariant(
        `${rule} ${name} falls from ${slotsOf(mine)} to ${slotsOf(left)} serving slots of ${count}`,
      );
    }
  }

  #orderOf(snapshot: Snapshot, name: string): 'start-first' | 'stop-first' {
    const service = snapshot.services.find((candidate) => candidate.name === name);
    const deployment = snapshot.deployments.find(({ id }) => id === service?.deploymentId);
    if (deployment?.kind === 'restart') return 'stop-first';
    const spec = snapshot.revisions.find(
      (revision) => revision.service === name && revision.revision === service?.target.revision,
    )?.spec;
    return (deployment?.update ?? spec?.update)?.order ?? 'start-first';
  }

  // ---- faults and edits -------------------------------------------------------------------------------------------
  #disturb(): void {
    if (!this.#random.chance(0.03)) return;
    const host = this.#random.pick(this.#hosts);
    const name = this.#random.pick(['web', 'api']);
    const afterMs = this.#random.between(1_000, 15_000);
    const faults: Record<string, () => void> = {
      'kill host': () => {
        host.kill();
        this.#queue.push({ atMs: this.#nowMs + afterMs, run: () => host.startAgent() });
      },
      'kill agent': () => {
        host.agentUp = false;
        this.#queue.push({ atMs: this.#nowMs + afterMs, run: () => host.up && host.startAgent() });
      },
      partition: () => {
        host.partitioned = true;
        this.#queue.push({
          atMs: this.#nowMs + afterMs,
          run: () => {
            host.partitioned = false;
          },
        });
      },
      'crash worker': () => host.crashOne(this.#nowMs, this.#random.chance(0.4)),
      'kill leader': () => this.#replaceLeader(this.#leader.term, []),
      'deploy good': () => this.store.deploy(this.#spec(name, 'good')),
      'deploy bad': () =>
        this.store.deploy(this.#spec(name, this.#random.pick(['crash', 'never-ready', 'sick', 'unfetched'] as const))),
      scale: () => this.store.scale(name, { instances: this.#random.between(1, 6) }),
      reload: () => this.store.renew(name, 'reload'),
      restart: () => this.store.renew(name, 'restart'),
      rollback: () => {
        const good = this.store.services.get(name)?.stable;
        if (good) this.store.deploy(this.#spec(name, 'good'), 'rollback', good.revision);
      },
      drain: () => {
        this.store.setEligibility(host.id, 'draining');
        this.#queue.push({ atMs: this.#nowMs + afterMs, run: () => this.store.setEligibility(host.id, 'eligible') });
      },
      stop: () => {
        this.store.setStopped(name, true);
        this.#queue.push({ atMs: this.#nowMs + afterMs, run: () => this.store.setStopped(name, false) });
      },
      delete: () => this.#random.chance(0.3) && this.store.markDeleted(name),
    };
    const [what, act] = this.#random.pick(Object.entries(faults));
    this.#note(`** ${what} ${host.id} ${name}`);
    act();
  }

  #heal(): void {
    for (const entry of this.#queue.splice(0)) entry.run();
    for (const host of this.#hosts) {
      host.partitioned = false;
      if (!host.agentUp) host.startAgent();
      this.store.setEligibility(host.id, 'eligible');
    }
    this.#note('** faults are over');
  }

  /** What a user would do about a deployment that waits for one, or has failed for good. */
  #repairServices(): boolean {
    const names = [...this.store.services.values()]
      .filter(({ stable, target, deploymentId }) => {
        const waiting = deploymentId !== null && this.store.deployments.get(deploymentId)?.state === 'paused';
        const succeeded = stable?.revision === target.revision && stable.generation === target.generation;
        return waiting || (deploymentId === null && !succeeded);
      })
      .map(({ name }) => name);
    for (const name of names) {
      const spec = { ...this.#spec(name, 'good') };
      this.store.deploy({ ...spec, update: { ...spec.update, failureAction: 'rollback' } });
    }
    return names.length > 0;
  }

  #checkRest(): void {
    const { store } = this;
    for (const service of store.services.values()) {
      const { name, target, scale, stableScale } = service;
      if (service.deleted) throw new BrokenInvariant(`I3 ${name} was deleted and is still there`);
      if (service.deploymentId !== null) throw new BrokenInvariant(`I15 the deployment of ${name} has not ended`);
      if (scale.instances !== stableScale?.instances) {
        throw new BrokenInvariant(`I3 ${name} keeps the count of a deploy that failed`);
      }
      const live = [...store.instances.values()].filter((i) => i.service === name && !isTerminal(i.status.state));
      const good = live.filter(
        (i) => i.status.health === 'healthy' && i.revision === target.revision && i.generation >= target.generation,
      );
      const slots = new Set(good.map(({ slot }) => slot)).size;
      if (live.length !== scale.instances || slots !== scale.instances) {
        throw new BrokenInvariant(`I3 ${name} has ${live.length} live, ${slots} good slots of ${scale.instances}`);
      }
      const routed = store.routes.services.find((entry) => entry.name === name)?.endpoints.length ?? 0;
      if (routed !== scale.instances) throw new BrokenInvariant(`I3 ${name} has ${routed} endpoints`);
    }
    for (const { id, workers } of this.#hosts) {
      for (const { instanceId, gone } of workers.values()) {
        const wanted = store.instances.get(instanceId);
        const alive = wanted !== undefined && !isTerminal(wanted.status.state);
        if (gone === 'no' && !alive) throw new BrokenInvariant(`I12 ${id} still runs ${instanceId}`);
      }
    }
  }

  #spec(name: string, behaviour: Behaviour): ServiceSpec {
    return serviceSpecSchema.parse({
      name,
      script: behaviour,
      scale: { instances: this.#random.between(1, 5) },
      routes: [{ path: `/${name}` }],
      update: {
        order: name === 'api' && this.#random.chance(0.5) ? 'stop-first' : 'start-first',
        healthyDeadlineMs: 20_000,
        maxFailures: this.#random.between(0, 1),
        failureAction: this.#random.chance(0.15) ? 'pause' : 'rollback',
      },
    });
  }
}
