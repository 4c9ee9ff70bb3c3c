import type { Assignment, Plan, PlanRevision } from '../../shared/contracts/agent-session.ts';
import type { InstanceState, InstanceStatus } from '../../shared/contracts/entities.ts';
import { infrastructurePrefix } from '../../shared/contracts/failure-cause.ts';
import type { Clock } from '../../shared/runtime/clock.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import type { Preparer } from '../artifact/preparer.ts';
import type { BundleHost } from '../bundle/bundle-host.ts';
import { bundleKey } from '../data-paths.ts';
import { checkPort } from '../port/check-port.ts';
import { Prober } from '../probe/prober.ts';
import type { Bundle } from '../shim/protocol.ts';
import { describeInstance } from './describe-instance.ts';
import type { InstanceEnd, InstanceView, ProbeView } from './instance-view.ts';
import { type InstanceStep, nextStep } from './next-step.ts';
import { staysDown } from './restart.ts';

interface InstanceRecord {
  assignment: Assignment;
  revision: PlanRevision | null;
  readonly bundle: string;
  end: InstanceEnd | null;
  busy: boolean;
  drainingSinceMs: number | null;
  ready: { readonly pid: number; readonly sinceMs: number; readonly adopted: boolean } | null;
  probing: { readonly pid: number; readonly prober: Prober } | null;
  /** Started by this agent, and not found running. */
  started: boolean;
  reached: InstanceState;
}

export interface InstanceRunnerOptions {
  readonly bundles: BundleHost;
  readonly preparer: Preparer;
  readonly makeBundle: (revision: PlanRevision) => Bundle;
  /** Of the node: where its workers are probed. */
  readonly address: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Something has changed. It must not act, only note. */
  onChange(): void;
}

export interface ReportedInstance {
  readonly instanceId: string;
  readonly status: InstanceStatus;
  readonly minHealthyMs: number;
}

/** A host that comes back with all its instances must not check every port and launch every shim in the same second. */
const maxStartsAtOnce = 8;

/** The instances that the plan wants here: looks at each, and applies one step at a time to it, to different ones at once. */
export class InstanceRunner {
  readonly #options: InstanceRunnerOptions;
  readonly #records = new Map<string, InstanceRecord>();
  readonly #lostWorkers = new Map<string, number>();
  readonly #portChecks = new Map<number, Promise<string | null>>();
  #confirmed = false;
  #startsUnderWay = 0;
  #cutOffForMs = 0;

  constructor(options: InstanceRunnerOptions) {
    this.#options = options;
  }

  /** These instances had a worker when their shim was found dead. */
  noteLostWorkers(instanceIds: readonly string[]): void {
    for (const id of instanceIds) this.#lostWorkers.set(id, (this.#lostWorkers.get(id) ?? 0) + 1);
  }

  /** Looks at every instance of the plan once, and begins the step that each needs next. */
  pass(plan: Plan, confirmed: boolean, cutOffForMs: number): void {
    this.#confirmed = confirmed;
    this.#cutOffForMs = cutOffForMs;
    this.#follow(plan);
    for (const record of this.#records.values()) {
      this.#observe(record);
      if (!record.busy) this.#begin(record, nextStep(this.#view(record), this.#options.clock.monotonicMs()));
    }
  }

  list(): { instanceId: string; bundle: string; ended: boolean }[] {
    return [...this.#records.values()].map(({ assignment, bundle, end }) => ({
      instanceId: assignment.instanceId,
      bundle,
      ended: end !== null,
    }));
  }

  /** What is to be reported, and from then on never taken back. */
  report(): ReportedInstance[] {
    const nowMs = this.#options.clock.monotonicMs();
    return [...this.#records.values()].map((record) => {
      const status = describeInstance(this.#view(record), nowMs);
      record.reached = status.state;
      const { instanceId } = record.assignment;
      return { instanceId, status, minHealthyMs: record.revision?.spec.update.minHealthyMs ?? 0 };
    });
  }

  /** False while a worker that ran before this agent began has not been probed yet: reporting it now would call it unknown. */
  get settled(): boolean {
    return [...this.#records.values()].every(
      ({ ready, probing }) => ready?.adopted !== true || probing === null || probing.prober.view.verdict !== 'unknown',
    );
  }

  close(): void {
    for (const { probing } of this.#records.values()) probing?.prober.close();
  }

  #follow(plan: Plan): void {
    const revisions = new Map(
      plan.revisions.map((revision) => [bundleKey(revision.service, revision.revision), revision]),
    );
    const planned = new Set(plan.assignments.map(({ instanceId }) => instanceId));
    for (const [id, { probing }] of this.#records) {
      if (planned.has(id)) continue;
      probing?.prober.close();
      this.#records.delete(id);
      this.#lostWorkers.delete(id);
    }
    for (const assignment of plan.assignments) {
      const bundle = bundleKey(assignment.service, assignment.revision);
      const revision = revisions.get(bundle) ?? null;
      const record = this.#records.get(assignment.instanceId);
      if (record !== undefined) Object.assign(record, { assignment, revision });
      else this.#records.set(assignment.instanceId, newRecord(assignment, revision, bundle));
    }
    this.#options.preparer.keepOnly(new Set(revisions.keys()));
  }

  #observe(record: InstanceRecord): void {
    const worker = this.#options.bundles.worker(record.bundle, record.assignment.instanceId);
    if (worker?.phase === 'draining') {
      // It accepts nothing new, so a probe would only show that; the last verdict stands.
      record.probing?.prober.close();
      record.drainingSinceMs ??= this.#options.clock.monotonicMs();
      return;
    }
    if (worker?.phase !== 'ready' || worker.pid === null) {
      record.ready = null;
      record.probing?.prober.close();
      record.probing = null;
      return;
    }
    if (record.ready?.pid !== worker.pid) {
      const adopted = !record.started && record.ready === null;
      const ageMs = adopted && worker.readyAt !== null ? Math.max(0, this.#options.clock.nowMs() - worker.readyAt) : 0;
      record.ready = { pid: worker.pid, sinceMs: this.#options.clock.monotonicMs() - ageMs, adopted };
      record.started = true;
    }
    if (record.probing?.pid !== worker.pid) this.#probe(record, worker.pid, worker.listening?.port ?? null);
  }

  #probe(record: InstanceRecord, pid: number, listening: number | null): void {
    const { address, clock, onChange } = this.#options;
    record.probing?.prober.close();
    record.probing = null;
    const health = record.revision?.spec.health;
    const port = record.assignment.port ?? listening;
    if (health?.probe === undefined || port === null) return;
    const healthySinceMs = record.ready?.adopted === true ? record.ready.sinceMs : null;
    record.probing = { pid, prober: new Prober({ health, address, port, healthySinceMs, clock, onChange }) };
  }

  #view(record: InstanceRecord): InstanceView {
    const { assignment, revision, bundle, end, ready, probing, drainingSinceMs, reached } = record;
    const { bundles, preparer } = this.#options;
    const lostWorkers = this.#lostWorkers.get(assignment.instanceId) ?? 0;
    return {
      assignment,
      spec: revision?.spec ?? null,
      confirmed: this.#confirmed,
      end,
      bundle: bundles.stateOf(bundle),
      worker: bundles.worker(bundle, assignment.instanceId),
      preparation: preparer.stateOf(assignment.service, assignment.revision),
      probe: this.#probeView(probing),
      siblingServes: this.#hasServingSibling(record),
      drainingSinceMs,
      readySinceMs: ready?.sinceMs ?? null,
      cutOffForMs: this.#cutOffForMs,
      lostWorkers,
      // A recorded worker had been started, so the cluster was told of it even if this agent was not there yet.
      reached: lostWorkers > 0 && (reached === 'assigned' || reached === 'preparing') ? 'starting' : reached,
    };
  }

  #probeView(probing: InstanceRecord['probing']): ProbeView | null {
    return probing?.prober.view ?? null;
  }

  #hasServingSibling({ assignment, bundle }: InstanceRecord): boolean {
    for (const { assignment: other, bundle: otherBundle } of this.#records.values()) {
      if (otherBundle !== bundle || other.instanceId === assignment.instanceId || other.desired !== 'run') continue;
      if (this.#options.bundles.worker(bundle, other.instanceId)?.phase === 'ready') return true;
    }
    return false;
  }

  #begin(record: InstanceRecord, step: InstanceStep): void {
    if (step.kind === 'wait') return;
    const starts = step.kind === 'openBundle' || step.kind === 'start';
    // The end of each step asks for another look.
    if (starts && this.#startsUnderWay >= maxStartsAtOnce) return;
    record.busy = true;
    if (starts) this.#startsUnderWay += 1;
    void this.#apply(record, step)
      .finally(() => {
        record.busy = false;
        if (starts) this.#startsUnderWay -= 1;
      })
      .then(this.#options.onChange)
      .catch((error: Error) => {
        // Decided anew at the next look; not at once, since nothing has changed.
        const { instanceId } = record.assignment;
        this.#options.logger.warn('a step failed', { instanceId, step: step.kind, reason: error.message });
      });
  }

  async #apply(record: InstanceRecord, step: Exclude<InstanceStep, { kind: 'wait' }>): Promise<void> {
    const { bundles, preparer, clock, logger } = this.#options;
    const { assignment, revision, bundle } = record;
    const id = assignment.instanceId;
    if (step.kind !== 'end') logger.debug(step.kind, { instanceId: id });
    switch (step.kind) {
      case 'prepare':
        if (revision !== null) preparer.begin(revision);
        return;
      case 'openBundle':
        return this.#open(record);
      case 'start':
        return this.#start(record);
      case 'drain':
        record.drainingSinceMs = clock.monotonicMs();
        return bundles.request(bundle, { type: 'drain', id });
      case 'stop':
        return bundles.request(bundle, { type: 'stop', id });
      case 'restart':
        logger.warn('restarts an instance that stays unhealthy', {
          instanceId: id,
          probe: record.probing?.prober.view.answer,
        });
        record.probing?.prober.close();
        record.probing = null;
        return bundles.request(bundle, { type: 'restart', id });
      case 'end':
        this.#end(record, step);
    }
  }

  async #open(record: InstanceRecord): Promise<void> {
    const { bundles, makeBundle } = this.#options;
    if (record.revision === null) return;
    const { restart } = record.revision.spec;
    const exit = bundles.recordedExit(record.bundle, record.assignment.instanceId);
    if (exit?.reason === 'exit' && staysDown(restart, exit.code)) {
      // It finished while no agent was there, and its shim waited for one in vain: its program is not run again.
      this.#end(record, { state: 'stopped', reason: exit.message, finished: true, lastExit: exit });
      return;
    }
    try {
      await bundles.open(record.bundle, makeBundle(record.revision));
    } catch (error) {
      this.#fail(record, (error as Error).message);
    }
  }

  async #start(record: InstanceRecord): Promise<void> {
    const { bundles } = this.#options;
    const { assignment, revision, bundle } = record;
    const { instanceId: id, slot, port } = assignment;
    if (revision === null) return;
    if (port !== null && this.#opensPort(record)) {
      const taken = await this.#checkPort(port);
      if (taken !== null) {
        this.#fail(record, taken);
        return;
      }
    }
    record.started = true;
    const failFast = assignment.failFast && !this.#lostWorkers.has(id);
    const env = incrementedVariable(revision, slot);
    await bundles.request(bundle, { type: 'start', instance: { id, slot, port, env }, failFast });
  }

  /** Workers that begin together with one shared port must not take each other's look at it for a stranger. */
  #checkPort(port: number): Promise<string | null> {
    const running = this.#portChecks.get(port) ?? checkPort(port).finally(() => this.#portChecks.delete(port));
    this.#portChecks.set(port, running);
    return running;
  }

  /** A shared port is bound by the shim for the first worker; later ones find it taken by their own shim. */
  #opensPort({ revision, bundle }: InstanceRecord): boolean {
    if (revision?.spec.execMode === 'fork') return true;
    const workers = this.#options.bundles.list().find(({ key }) => key === bundle)?.workers ?? [];
    return workers.every(({ phase }) => phase === 'exited' || phase === 'errored');
  }

  /** For a reason of this host, which is no fault of the revision. */
  #fail(record: InstanceRecord, reason: string): void {
    this.#end(record, { state: 'failed', reason: `${infrastructurePrefix} ${reason}`, finished: false });
  }

  #end(record: InstanceRecord, end: InstanceEnd): void {
    const { state, reason } = end;
    record.end = end;
    record.probing?.prober.close();
    const { instanceId } = record.assignment;
    if (state === 'failed') this.#options.logger.error('an instance has failed', { instanceId, reason });
    else this.#options.logger.info('an instance has stopped', { instanceId, reason });
  }
}

function newRecord(assignment: Assignment, revision: PlanRevision | null, bundle: string): InstanceRecord {
  return {
    ...{ assignment, revision, bundle },
    end: null,
    busy: false,
    drainingSinceMs: null,
    ready: null,
    probing: null,
    started: false,
    reached: 'assigned',
  };
}

/** PM2's `increment_var`: the same variable, one higher in each slot. */
function incrementedVariable({ spec }: PlanRevision, slot: number): Record<string, string> {
  const name = spec.incrementVar;
  if (name === undefined) return {};
  const first = Number(spec.env[name] ?? 0);
  return { [name]: String((Number.isFinite(first) ? first : 0) + slot) };
}
