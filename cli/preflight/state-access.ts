import type { Project } from './project.ts';
import type { Source } from './read-source.ts';
import { bare, isCall, isMember, type Node, propertyName, textOf } from './syntax.ts';

/** What is done with a collection at one place. */
export interface Access {
  /** `put`: something comes in; `remove`: something goes; `take`: the next one is taken out; `read`: it is looked at. */
  readonly kind: 'put' | 'remove' | 'take' | 'read';
  readonly source: Source;
  readonly node: Node;
  /** What is put in is a connection. */
  readonly isSocket: boolean;
}

const putting = new Set(['set', 'add', 'push', 'unshift', 'splice', 'fill', 'concat']);
const removing = new Set(['delete', 'clear', 'del', 'reset']);
const taking = new Set(['pop', 'shift']);
/** Through how many functions a collection is followed that is handed on as an argument. */
const maxDepth = 3;

export function accessesOf(project: Project, source: Source, use: Node, depth = 0): Access[] {
  const access = (kind: Access['kind'], node: Node = use, isSocket = false): Access[] => [
    { kind, source, node, isSocket },
  ];
  let at = use;
  let parent = source.parentOf(at);
  let hasKey = false;
  // `store[user].name = …` changes what is in the store.
  while (parent !== undefined && isMember(parent) && parent.object === at) {
    const next = source.parentOf(parent);
    if (next !== undefined && isCall(next) && next.callee === parent) {
      const name = propertyName(parent) ?? '';
      if (putting.has(name))
        return access(
          'put',
          next,
          next.arguments.some((one) => isConnection(source, one)),
        );
      if (hasKey) return access('read');
      if (removing.has(name)) return access('remove');
      if (taking.has(name)) return access(isDropped(source, next) ? 'remove' : 'take');
      return access('read');
    }
    at = parent;
    parent = next;
    hasKey = true;
  }
  if (parent === undefined) return access('read');
  if (parent.type === 'UpdateExpression') return hasKey ? [] : access('put');
  if (parent.type === 'UnaryExpression' && parent.operator === 'delete') return access('remove');
  if (parent.type === 'AssignmentExpression' && parent.left === at) {
    // A counter of what this instance did is right as it is.
    if (parent.operator !== '=' && parent.operator !== '??=' && parent.operator !== '||=') return [];
    return access('put', parent, isConnection(source, parent.right));
  }
  if (isCall(parent) && !hasKey && depth < maxDepth) {
    const index = parent.arguments.indexOf(at as never);
    const called = index < 0 ? [] : project.functionsOf(source, parent.callee);
    if (called.length === 0) return access('read');
    return called.flatMap(({ source: other, node }) => {
      const param = node.params[index];
      const binding = param === undefined ? undefined : (other.resolve(param) ?? bindingOf(other, param));
      if (binding === undefined) return access('read');
      return other.usesOf(binding).flatMap((inner) => accessesOf(project, other, inner, depth + 1));
    });
  }
  return access('read');
}

function bindingOf(source: Source, param: Node) {
  return param.type === 'AssignmentPattern' ? source.resolve(param.left) : undefined;
}

function isDropped(source: Source, call: Node): boolean {
  return source.parentOf(call)?.type === 'ExpressionStatement';
}

/** The parameter of a handler of connections. */
function isConnection(source: Source, argument: Node): boolean {
  const node = bare(argument);
  if (node.type !== 'Identifier') return false;
  const binding = source.resolve(node);
  if (binding?.owner === undefined) return false;
  const call = source.parentOf(binding.owner);
  if (call === undefined || !isCall(call)) return false;
  const event = textOf(call.arguments[0]) ?? '';
  return event === 'connection' || event === 'upgrade';
}
