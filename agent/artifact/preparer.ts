import { existsSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { PlanRevision } from '../../shared/contracts/agent-session.ts';
import { infrastructurePrefix } from '../../shared/contracts/failure-cause.ts';
import { backoffMs } from '../../shared/runtime/backoff.ts';
import type { Clock } from '../../shared/runtime/clock.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import { workingDirectory } from '../bundle/make-bundle.ts';
import { bundleKey, type DataPaths } from '../data-paths.ts';
import type { Preparation } from '../instance/instance-view.ts';
import { isCommand } from '../shim/worker-command.ts';
import { type ArtifactStore, ArtifactUnavailable } from './artifact-store.ts';
import { installDependencies } from './install-dependencies.ts';

const retryBackoff = { baseMs: 500, maxMs: 5_000 } as const;
/** What failed is tried anew for instances that come later; those that wait now have seen the failure by then. */
const failureKeptMs = 1_000;
/** Then the instance fails for a reason that is no fault of the revision, and the leader tries another node. */
const maxAttempts = 8;

export interface PreparerOptions {
  readonly artifacts: ArtifactStore;
  readonly paths: DataPaths;
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** A preparation has got on. It must not act, only note. */
  onChange(): void;
}

/** Brings artifact and dependencies of revisions to this host; the instances of a revision share one preparation. */
export class Preparer {
  readonly #options: PreparerOptions;
  readonly #preparations = new Map<string, Preparation>();

  constructor(options: PreparerOptions) {
    this.#options = options;
  }

  stateOf(service: string, revision: number): Preparation {
    return this.#preparations.get(bundleKey(service, revision)) ?? { state: 'none' };
  }

  /** Begins in the background, unless it has begun. */
  begin(revision: PlanRevision): void {
    const key = bundleKey(revision.service, revision.revision);
    if (this.#preparations.has(key)) return;
    this.#set(key, { state: 'running', note: revision.artifact === null ? '' : 'fetches the artifact' });
    void this.#prepare(key, revision);
  }

  /** Forgets what was found out about revisions that are planned no longer, so that a later deploy looks anew. */
  keepOnly(planned: ReadonlySet<string>): void {
    for (const [key, { state }] of this.#preparations) {
      if (!planned.has(key) && state !== 'running') this.#preparations.delete(key);
    }
  }

  async #prepare(key: string, revision: PlanRevision): Promise<void> {
    try {
      if (revision.artifact !== null) await this.#fetch(key, revision.artifact);
      const failure = findMissing(revision, this.#options.paths);
      if (failure !== null) throw new Error(failure);
      if (revision.artifact !== null && revision.spec.dependencies === 'install') {
        this.#set(key, { state: 'running', note: 'installs dependencies' });
        const { paths, environment, signal } = this.#options;
        await installDependencies({
          directory: join(paths.artifacts, revision.artifact),
          dependencies: paths.dependencies,
          environment,
          signal,
        });
      }
      this.#set(key, { state: 'ready' });
    } catch (error) {
      const { message } = error as Error;
      this.#options.logger.warn('a revision cannot be prepared', { bundle: key, reason: message });
      const reason = error instanceof ArtifactUnavailable ? `${infrastructurePrefix} ${message}` : message;
      this.#set(key, { state: 'failed', reason });
      await this.#options.clock.sleep(failureKeptMs, this.#options.signal);
      this.#preparations.delete(key);
    }
  }

  async #fetch(key: string, digest: string): Promise<void> {
    const { artifacts, clock, signal } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await artifacts.directoryOf(digest);
        return;
      } catch (error) {
        if (!(error instanceof ArtifactUnavailable) || attempt + 1 === maxAttempts || signal.aborted) throw error;
        this.#set(key, { state: 'running', note: `${infrastructurePrefix} ${error.message}; it is tried again` });
        await clock.sleep(100 + backoffMs(attempt, retryBackoff, Math.random), signal);
      }
    }
  }

  #set(key: string, preparation: Preparation): void {
    this.#preparations.set(key, preparation);
    this.#options.onChange();
  }
}

/** What a look at the files shows; a name without a path and without an interpreter is one that PATH resolves later. */
function findMissing(revision: PlanRevision, paths: DataPaths): string | null {
  const { script, interpreter } = revision.spec;
  const cwd = workingDirectory(revision, paths);
  if (!existsSync(cwd)) {
    return revision.artifact === null
      ? `the working directory ${cwd} is not on this host`
      : `cannot find the directory ${revision.spec.cwd} in the artifact`;
  }
  if (existsSync(resolve(cwd, script)) || isCommand(script, interpreter)) return null;
  return revision.artifact === null || isAbsolute(script)
    ? `cannot find script ${resolve(cwd, script)} on this host`
    : `cannot find script ${script} in the artifact`;
}
