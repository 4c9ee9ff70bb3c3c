import type { Logger } from '../../shared/runtime/logger.ts';
import type { BundleStep } from '../reconcile/reconcile-bundles.ts';
import type { BundleHost } from './bundle-host.ts';

export interface BundleRunnerOptions {
  readonly bundles: BundleHost;
  readonly logger: Logger;
  /** A step has ended. It must not act, only note. */
  onChange(): void;
}

/** Applies steps to bundles, one at a time for each worker or bundle, different ones at once. A failed step is decided anew. */
export class BundleRunner {
  readonly #options: BundleRunnerOptions;
  readonly #running = new Map<string, Promise<void>>();

  constructor(options: BundleRunnerOptions) {
    this.#options = options;
  }

  begin(step: BundleStep): void {
    const subject = 'instanceId' in step ? `${step.bundle}/${step.instanceId}` : step.bundle;
    if (this.#running.has(subject)) return;
    const running = this.#apply(step)
      .finally(() => this.#running.delete(subject))
      .then(this.#options.onChange)
      .catch((error: Error) => this.#options.logger.warn('a bundle step failed', { step, reason: error.message }));
    this.#running.set(subject, running);
  }

  async #apply(step: BundleStep): Promise<void> {
    const { bundles, logger } = this.#options;
    logger.info(step.kind, step);
    switch (step.kind) {
      case 'killOrphans':
        return bundles.killOrphans(step.bundle);
      case 'stopWorker':
        return bundles.request(step.bundle, { type: 'stop', id: step.instanceId });
      case 'forgetWorker':
        return bundles.request(step.bundle, { type: 'forget', id: step.instanceId });
      case 'shutdownShim':
        return bundles.request(step.bundle, { type: 'shutdown' });
      case 'removeBundle':
        return bundles.remove(step.bundle);
    }
  }
}
