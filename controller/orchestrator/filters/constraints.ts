import type { Node } from '../../../shared/contracts/entities.ts';
import type { ServiceSpec } from '../../../shared/contracts/spec.ts';
import type { Filter } from './filter.ts';

export function constraints(spec: ServiceSpec): Filter {
  const { constraints: wanted } = spec.placement;
  return {
    check: (node) => meetsConstraints(node, spec),
    explain: (count) => `${count === 1 ? 'does' : 'do'} not meet ${wanted.join(' and ')}`,
  };
}

export function meetsConstraints(node: Node, spec: ServiceSpec): boolean {
  return spec.placement.constraints.every((constraint) => meets(node, constraint));
}

function meets(node: Node, constraint: string): boolean {
  const match = /^\s*node\.([\w./-]+)\s*(==|!=)\s*(\S.*?)\s*$/.exec(constraint);
  if (match === null) return false;
  const [, attribute = '', operator, wanted] = match;
  return (attributeOf(node, attribute) === wanted) === (operator === '==');
}

function attributeOf(node: Node, attribute: string): string | undefined {
  if (attribute === 'id') return node.id;
  if (attribute === 'name') return node.name;
  if (attribute === 'address') return node.address;
  return node.labels[attribute.slice('labels.'.length)];
}
