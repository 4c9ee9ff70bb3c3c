import type { Bundle, StartInstance } from './protocol.ts';

/** The whole environment of a worker: the bundle's, then the instance's, then what identifies the instance. */
export function workerEnvironment(bundle: Bundle, instance: StartInstance): Record<string, string> {
  return {
    ...bundle.env,
    [bundle.instanceVar]: String(instance.slot),
    ...instance.env,
    ...(instance.port === null ? {} : { PORT: String(instance.port) }),
    DROVER_SERVICE: bundle.service,
    DROVER_REVISION: String(bundle.revision),
    DROVER_SLOT: String(instance.slot),
    DROVER_INSTANCE_ID: instance.id,
    DROVER_SHIM: bundle.socketPath,
  };
}

/**
 * What all processes of an instance, and no others, have in their environment. The id alone would not do: two clusters
 * on one host may use the same.
 */
export function markersOf(bundle: Bundle, instanceId: string): readonly string[] {
  return [`DROVER_INSTANCE_ID=${instanceId}`, `DROVER_SHIM=${bundle.socketPath}`];
}
