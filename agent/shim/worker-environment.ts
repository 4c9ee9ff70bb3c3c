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
  };
}
