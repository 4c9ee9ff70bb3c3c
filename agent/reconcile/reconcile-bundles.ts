import type { BundleState } from '../instance/instance-view.ts';
import type { WorkerPhase } from '../shim/protocol.ts';

/** A bundle as this host has it. `absent` bundles have left only their directory. */
export interface ObservedBundle {
  readonly key: string;
  readonly state: BundleState;
  readonly workers: readonly { readonly instanceId: string; readonly phase: WorkerPhase }[];
}

export interface WantedInstance {
  readonly instanceId: string;
  readonly bundle: string;
  /** It has come to its end here; the plan still has it because the leader has not seen that. */
  readonly ended: boolean;
}

export interface BundlesView {
  /** A controller has said in this life of the agent that the plan stands. */
  readonly confirmed: boolean;
  readonly wanted: readonly WantedInstance[];
  readonly bundles: readonly ObservedBundle[];
}

export type BundleStep =
  | { readonly kind: 'killOrphans'; readonly bundle: string }
  | { readonly kind: 'stopWorker'; readonly bundle: string; readonly instanceId: string }
  | { readonly kind: 'forgetWorker'; readonly bundle: string; readonly instanceId: string }
  | { readonly kind: 'shutdownShim'; readonly bundle: string }
  | { readonly kind: 'removeBundle'; readonly bundle: string };

/**
 * What has to go from this host: workers that the plan does not know, what a dead shim has left, shims and bundles that
 * nobody needs. Nothing goes before a controller has confirmed the plan: an old plan on disk says nothing about what is
 * right now, and orphans that still serve are better than nothing at all.
 */
export function reconcileBundles({ confirmed, wanted, bundles }: BundlesView): BundleStep[] {
  if (!confirmed) return [];
  return bundles.flatMap((bundle) =>
    stepsOf(
      bundle,
      wanted.filter((instance) => instance.bundle === bundle.key),
    ),
  );
}

function stepsOf(bundle: ObservedBundle, wanted: readonly WantedInstance[]): BundleStep[] {
  switch (bundle.state) {
    case 'connecting':
      return [];
    case 'orphaned':
      return [{ kind: 'killOrphans', bundle: bundle.key }];
    case 'absent':
      return wanted.some(({ ended }) => !ended) ? [] : [{ kind: 'removeBundle', bundle: bundle.key }];
    case 'connected':
      return clearWorkers(bundle, wanted);
  }
}

function clearWorkers(bundle: ObservedBundle, wanted: readonly WantedInstance[]): BundleStep[] {
  const known = new Set(wanted.map(({ instanceId }) => instanceId));
  if (bundle.workers.length === 0 && wanted.every(({ ended }) => ended)) {
    return [{ kind: 'shutdownShim', bundle: bundle.key }];
  }
  return bundle.workers
    .filter(({ instanceId, phase }) => !known.has(instanceId) && phase !== 'stopping')
    .map(({ instanceId, phase }) => ({
      kind: phase === 'exited' || phase === 'errored' ? 'forgetWorker' : 'stopWorker',
      bundle: bundle.key,
      instanceId,
    }));
}
