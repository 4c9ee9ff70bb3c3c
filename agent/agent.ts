import type { Plan } from '../shared/contracts/agent-session.ts';
import type { NodeFacts } from '../shared/contracts/entities.ts';
import { systemClock } from '../shared/runtime/clock.ts';
import { keepHeapSmall } from '../shared/runtime/keep-heap-small.ts';
import type { Logger } from '../shared/runtime/logger.ts';
import { createLoop, type Loop } from '../shared/runtime/loop.ts';
import { ArtifactStore } from './artifact/artifact-store.ts';
import { Preparer } from './artifact/preparer.ts';
import { baseEnvironment } from './bundle/base-environment.ts';
import { BundleHost } from './bundle/bundle-host.ts';
import { BundleRunner } from './bundle/bundle-runner.ts';
import { makeBundle } from './bundle/make-bundle.ts';
import type { AgentOptions } from './config.ts';
import type { DataPaths } from './data-paths.ts';
import { InstanceRunner, type ReportedInstance } from './instance/runner.ts';
import { JobRunKeeper } from './job-run/job-run-keeper.ts';
import { makeRunBundle } from './job-run/make-run-bundle.ts';
import { RunRecords } from './job-run/run-records.ts';
import { type NodeIdentity, rememberControllers } from './join/identity.ts';
import { answerLogs } from './logs/answer-logs.ts';
import { pruneLogs } from './logs/prune-logs.ts';
import { createNodeUsage } from './metrics/node-usage.ts';
import { WorkerUsage } from './metrics/worker-usage.ts';
import { PlanStore } from './plan/plan-store.ts';
import { answerListeners } from './port/answer-listeners.ts';
import { reconcileBundles } from './reconcile/reconcile-bundles.ts';
import { RouterLink } from './routing/router-link.ts';
import { Contact } from './session/contact.ts';
import { KnownControllers } from './session/known-controllers.ts';
import { Reporter } from './session/reporter.ts';
import { Session } from './session/session.ts';
import { precompileShim } from './shim/precompile.ts';

/** Nothing tells of the passing of time: cut off for too long, unhealthy for too long, a failed step to be tried again. */
const lookIntervalMs = 1_000;
/** Adopted workers are probed first; one that never answers must not silence the whole node. */
const settleMs = 2_000;

export interface AgentDeps {
  readonly identity: NodeIdentity;
  readonly facts: NodeFacts;
  readonly options: AgentOptions;
  readonly paths: DataPaths;
  readonly logger: Logger;
}

/** One life of the agent of a node: wires its parts, and runs the loop that compares what is with what is wanted. */
export class Agent {
  readonly #deps: AgentDeps;
  readonly #clock = systemClock;
  readonly #closing = new AbortController();
  readonly #ended = Promise.withResolvers<'stopped' | 'removed'>();
  readonly #plans: PlanStore;
  readonly #contact: Contact;
  readonly #controllers: KnownControllers;
  readonly #artifacts: ArtifactStore;
  readonly #bundles: BundleHost;
  readonly #bundleRunner: BundleRunner;
  readonly #instances: InstanceRunner;
  readonly #runs: JobRunKeeper;
  readonly #usage: WorkerUsage;
  #loop: Loop | null = null;
  #reporter: Reporter | null = null;
  #router: RouterLink | null = null;
  #session: Session | null = null;
  #adoptedAtMs = Number.POSITIVE_INFINITY;
  #precompiling: Promise<void> | null = null;
  #prunedVersion = -1;

  constructor(deps: AgentDeps) {
    const { identity, facts, options, paths, logger } = deps;
    this.#deps = deps;
    const clock = this.#clock;
    const environment = baseEnvironment(options.environment);
    const onChange = () => this.#wake();
    this.#plans = new PlanStore(paths.plan, ({ message }) =>
      logger.error('the plan could not be saved; it is followed all the same', { reason: message }),
    );
    this.#contact = new Contact(paths.contact, ({ message }) =>
      logger.error('the last contact could not be saved; an agent that starts now has an earlier one', {
        reason: message,
      }),
    );
    this.#controllers = new KnownControllers(identity.controllers, (urls) => {
      try {
        rememberControllers(paths, identity, urls);
      } catch (error) {
        logger.error('the controllers could not be saved; they are known until this agent ends', { error });
      }
    });
    // The identity has former ones, too.
    this.#controllers.learn(this.#plans.plan?.controllers ?? []);
    this.#artifacts = new ArtifactStore({
      directory: paths.artifacts,
      controllers: () => this.#controllers.inTurn(null),
      tls: { ca: identity.authority, cert: identity.certificate, key: identity.key },
      onSdkUnsaved: ({ message }) =>
        logger.error('the package "drover" for services could not be saved', { reason: message }),
    });
    this.#bundles = new BundleHost({
      root: paths.bundles,
      compileCacheDirectory: paths.compileCache,
      clock,
      logger,
      onChange,
      onWorkersLost: (ids) => this.#instances.noteLostWorkers(ids),
    });
    this.#bundleRunner = new BundleRunner({ bundles: this.#bundles, logger, onChange });
    const { signal } = this.#closing;
    const newPreparer = () =>
      new Preparer({ artifacts: this.#artifacts, paths, environment, clock, logger, signal, onChange });
    const host = () => ({
      paths,
      nodeName: facts.name,
      address: facts.address,
      // Workers keep them for as long as they live: also those that a list of some seconds ago may lack.
      plan: this.#plans.plan && { ...this.#plans.plan, controllers: this.#controllers.inTurn(null) },
      baseEnvironment: environment,
    });
    this.#runs = new JobRunKeeper({
      bundles: this.#bundles,
      bundleRoot: paths.bundles,
      preparer: newPreparer(),
      records: new RunRecords(paths.runs),
      makeBundle: (run) => makeRunBundle(run, host()),
      clock,
      logger,
      onChange,
    });
    this.#instances = new InstanceRunner({
      bundles: this.#bundles,
      preparer: newPreparer(),
      makeBundle: (revision) => makeBundle({ revision, ...host() }),
      address: facts.address,
      clock,
      logger,
      onChange,
    });
    this.#usage = new WorkerUsage({
      pids: () => this.#bundles.list().flatMap(({ workers }) => workers.flatMap(({ pid }) => pid ?? [])),
      clock,
      onError: (error) => logger.debug('usage cannot be read', { reason: (error as Error).message }),
    });
  }

  /** Resolves when the signal aborts, or when the node was removed and nothing of it runs any more. */
  async run(signal: AbortSignal): Promise<'stopped' | 'removed'> {
    const { logger } = this.#deps;
    const stop = () => this.#ended.resolve('stopped');
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      // Before anything else: what runs must be known before it can be decided what should be started.
      await this.#bundles.adopt();
      this.#adoptedAtMs = this.#clock.monotonicMs();
      this.#start();
      this.#precompiling = precompileShim(this.#deps.paths.compileCache, this.#closing.signal);
      keepHeapSmall();
      logger.info('the agent runs', { nodeId: this.#deps.identity.nodeId, workers: this.#usagePids() });
      return await this.#ended.promise;
    } finally {
      signal.removeEventListener('abort', stop);
      await this.#close();
    }
  }

  #start(): void {
    const { identity, facts, options, paths, logger } = this.#deps;
    const clock = this.#clock;
    if (options.router !== undefined) {
      this.#router = new RouterLink({
        listen: options.router,
        paths,
        environment: baseEnvironment(options.environment),
        logger,
        onChange: () => this.#reporter?.wake(),
      });
    }
    this.#reporter = new Reporter({
      instances: () => this.#report(),
      runs: () => this.#runs.report(),
      router: () => this.#router?.status() ?? null,
      planVersion: () => this.#plans.plan?.version ?? 0,
      send: async (report) => (await this.#session?.report(report)) ?? false,
      clock,
      logger,
    });
    this.#loop = createLoop(async () => this.#look(), {
      intervalMs: lookIntervalMs,
      onError: (error) => logger.error('a look at this node failed', { error }),
    });
    this.#session = new Session({
      identity,
      facts,
      controllers: this.#controllers,
      usage: createNodeUsage(),
      onPlan: (plan) => this.#takePlan(plan),
      onConnected: () => this.#reporter?.restart(),
      onContact: (sentAtMs) => this.#contact.note(clock.monotonicMs() - sentAtMs, this.#mayHaveToStop()),
      readLogs: (query) => answerLogs(query, paths),
      readListeners: answerListeners,
      logger,
      clock,
    });
    this.#wake();
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await this.#precompiling;
    await this.#session?.close();
    await this.#loop?.close();
    await this.#reporter?.close();
    await this.#router?.close();
    await this.#usage.close();
    this.#instances.close();
    this.#bundles.close();
  }

  #wake(): void {
    this.#loop?.wake();
    this.#reporter?.wake();
  }

  #takePlan(plan: Plan): boolean {
    const { identity, logger } = this.#deps;
    if (plan.nodeId !== identity.nodeId) {
      logger.error('a plan for another node was refused', { of: plan.nodeId });
      return false;
    }
    const verdict = this.#plans.offer(plan);
    if (verdict === 'older') {
      logger.warn('an older plan was refused', { term: plan.term, version: plan.version });
      return false;
    }
    this.#wake();
    return true;
  }

  /** One look: what the plan wants of instances, then what has to go. */
  #look(): void {
    const { plan, confirmed } = this.#plans;
    if (plan === null) return;
    this.#instances.pass(plan, confirmed, this.#contact.cutOffForMs());
    this.#runs.pass(plan, confirmed);
    const wanted = [...this.#instances.list(), ...this.#runs.list()];
    const steps = reconcileBundles({ confirmed, wanted, bundles: this.#bundles.list() });
    for (const step of steps) this.#bundleRunner.begin(step);
    this.#router?.setTable(plan.routes);
    if (!confirmed) return;
    this.#prune(plan);
    if (plan.removed && this.#bundles.list().length === 0) this.#ended.resolve('removed');
  }

  /** Once for each plan: only a new one makes anything superfluous. */
  #prune(plan: Plan): void {
    if (plan.version === this.#prunedVersion) return;
    this.#prunedVersion = plan.version;
    this.#artifacts.prune(new Set([...plan.revisions, ...plan.runs].flatMap(({ artifact }) => artifact ?? [])));
    const living = this.#bundles.list().flatMap(({ workers }) => workers.map(({ instanceId }) => instanceId));
    const jobs = [
      ...plan.runs.map(({ job }) => job),
      ...plan.revisions.flatMap(({ spec }) => Object.keys(spec.jobs ?? {})),
    ];
    const planned = plan.assignments.map(({ instanceId }) => instanceId);
    pruneLogs(this.#deps.paths.logs, new Set([...living, ...planned, ...jobs]));
  }

  #report(): ReportedInstance[] | null {
    const isSettled = this.#instances.settled || this.#clock.monotonicMs() - this.#adoptedAtMs > settleMs;
    if (!isSettled) return null;
    return this.#instances.report().map((reported) => {
      const usage = this.#usage.of(reported.status.pid);
      return usage === null ? reported : { ...reported, status: { ...reported.status, ...usage } };
    });
  }

  #mayHaveToStop(): boolean {
    return this.#plans.plan?.revisions.some(({ spec }) => spec.placement.onDisconnect === 'stop') ?? false;
  }

  #usagePids(): number {
    return this.#bundles.list().reduce((sum, { workers }) => sum + workers.length, 0);
  }
}
