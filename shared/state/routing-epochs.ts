import type { RouterStatus, RoutingTable } from '../contracts/entities.ts';

/** The router has a table that the store has lost. */
export function isAhead(router: Pick<RouterStatus, 'generation' | 'epoch'>, current: RoutingTable): boolean {
  return router.generation === current.generation && router.epoch > current.epoch;
}
