/**
 * How an agent's reason begins when an instance failed for no fault of its revision: no controller to fetch from, a port
 * that a stranger holds. Such a failure is not counted against a deployment; the slot is filled again.
 */
export const infrastructurePrefix = 'infrastructure:';

export function isInfrastructure(reason: string): boolean {
  return reason.startsWith(infrastructurePrefix);
}
