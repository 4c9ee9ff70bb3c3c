import type { Filter } from './filter.ts';

export function ready(): Filter {
  return { check: (node) => node.state === 'ready', explain: () => 'not connected' };
}
