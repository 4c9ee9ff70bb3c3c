import type { Instance, Target } from '../contracts/entities.ts';

/** Whether an instance is of the revision that is wanted, and not older than the last reload. */
export function fitsTarget(instance: Pick<Instance, 'revision' | 'generation'>, target: Target): boolean {
  return instance.revision === target.revision && instance.generation >= target.generation;
}
