import type { Plan } from '../../shared/contracts/agent-session.ts';

type PlanStamp = Pick<Plan, 'nodeId' | 'generation' | 'term' | 'version'>;

/**
 * Whether an offered plan may replace the held one. Within one generation of the store a lower term, or a lower version of
 * the same term, comes from a leader that has been replaced or a replica that is behind, and is refused (I1). Another
 * generation is a store that was set up anew: its numbers cannot be compared.
 */
export function comparePlans(held: PlanStamp | null, offered: PlanStamp): 'newer' | 'same' | 'older' {
  if (held === null || held.generation !== offered.generation) return 'newer';
  if (offered.term !== held.term) return offered.term > held.term ? 'newer' : 'older';
  if (offered.version !== held.version) return offered.version > held.version ? 'newer' : 'older';
  return 'same';
}
