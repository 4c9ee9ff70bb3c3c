import type { Report } from '../../shared/contracts/agent-session.ts';
import type { Clock } from '../../shared/runtime/clock.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import { createLoop, type Loop } from '../../shared/runtime/loop.ts';
import type { ReportedInstance } from '../instance/runner.ts';
import type { ReportedRun } from '../job-run/job-run-keeper.ts';

/** Changes come in bursts; routers' acknowledgements are waited for, so the pause is short. */
const coalesceMs = 20;
/** Usage, and what a lost report held. */
const intervalMs = 1_000;
/** A store that failed over may lack what it had taken, and nobody knows: so what has not changed is told again. */
const repeatAfterMs = 30_000;
/** A timer may fire a little early, and the leader compares exactly. */
const timerSlackMs = 2;

export interface ReporterOptions {
  /** Null while there is nothing true to say yet. */
  readonly instances: () => ReportedInstance[] | null;
  readonly runs: () => ReportedRun[];
  readonly router: () => Report['router'];
  readonly planVersion: () => number;
  /** False when nobody took it. */
  readonly send: (report: Report) => Promise<boolean>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Tells the cluster what runs here: whole, at each change, and anew to each controller. */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #loop: Loop;
  #sequence = 0;
  #taken: string | null = null;
  #takenAtMs = 0;
  #milestone: NodeJS.Timeout | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#loop = createLoop(() => this.#run(), {
      debounceMs: coalesceMs,
      intervalMs,
      onError: (error) => options.logger.error('a report failed', { error }),
    });
  }

  /** Something may have changed. */
  wake(): void {
    this.#loop.wake();
  }

  /** Another controller listens now, which must hear all. */
  restart(): void {
    this.#taken = null;
    this.#loop.wake();
  }

  async close(): Promise<void> {
    clearTimeout(this.#milestone);
    await this.#loop.close();
  }

  async #run(): Promise<void> {
    const { instances, runs, router, planVersion, send, clock } = this.#options;
    const found = instances();
    if (found === null) return;
    const routerStatus = router();
    const foundRuns = runs();
    const essence = JSON.stringify([found.map(essenceOf), foundRuns, routerStatus, planVersion()]);
    this.#scheduleMilestone(found);
    const nowMs = clock.monotonicMs();
    if (essence === this.#taken && nowMs - this.#takenAtMs < repeatAfterMs) return;
    this.#sequence += 1;
    const taken = await send({
      sequence: this.#sequence,
      planVersion: planVersion(),
      instances: found.map(({ instanceId, status }) => ({ instanceId, status })),
      ...(foundRuns.length === 0 ? {} : { runs: foundRuns }),
      router: routerStatus,
    });
    this.#taken = taken ? essence : null;
    this.#takenAtMs = nowMs;
  }

  /** An instance that has been healthy for long enough is news, and no event tells of it. */
  #scheduleMilestone(instances: readonly ReportedInstance[]): void {
    const missingMs = instances
      .filter(({ status, minHealthyMs }) => status.health === 'healthy' && status.healthyForMs < minHealthyMs)
      .map(({ status, minHealthyMs }) => minHealthyMs - status.healthyForMs);
    clearTimeout(this.#milestone);
    if (missingMs.length === 0) return;
    this.#milestone = setTimeout(
      () => this.#loop.wake(),
      Math.max(1, Math.min(...missingMs) - coalesceMs + timerSlackMs),
    );
  }
}

/** What of an instance is news: of how long it has been healthy, only whether that is long enough. */
function essenceOf({ instanceId, status, minHealthyMs }: ReportedInstance): unknown {
  const { healthyForMs, ...rest } = status;
  return [instanceId, rest, status.health === 'healthy' && healthyForMs >= minHealthyMs];
}
