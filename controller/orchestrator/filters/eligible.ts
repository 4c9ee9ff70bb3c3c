import type { Filter } from './filter.ts';

/** Users take nodes out by draining them or by making them ineligible; the two are told apart in explanations. */
export function draining(): Filter {
  return { check: (node) => node.eligibility !== 'draining', explain: () => 'draining' };
}

export function eligible(): Filter {
  return { check: (node) => node.eligibility !== 'ineligible', explain: () => 'ineligible' };
}
