import type { Node } from '@babel/types';

export type { Node };

export type FunctionNode = Extract<
  Node,
  {
    type:
      | 'FunctionDeclaration'
      | 'FunctionExpression'
      | 'ArrowFunctionExpression'
      | 'ObjectMethod'
      | 'ClassMethod'
      | 'ClassPrivateMethod';
  }
>;

const functionTypes = new Set([
  ...['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'],
  ...['ObjectMethod', 'ClassMethod', 'ClassPrivateMethod'],
]);

export function isFunction(node: Node | null | undefined): node is FunctionNode {
  return node != null && functionTypes.has(node.type);
}

/** Fields of a node that are not syntax below it. */
const notChildren = new Set(['loc', 'start', 'end', 'type', 'extra', 'range', 'errors', 'tokens', 'comments']);
const notChildrenEither = new Set(['leadingComments', 'trailingComments', 'innerComments']);

export function childrenOf(node: Node): Node[] {
  const found: Node[] = [];
  for (const [key, value] of Object.entries(node)) {
    if (notChildren.has(key) || notChildrenEither.has(key)) continue;
    if (Array.isArray(value)) for (const item of value) if (isNode(item)) found.push(item);
    if (isNode(value)) found.push(value);
  }
  return found;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

/** The node and all below it, in the order of the text; without recursion, because chains of calls can be long. */
export function descendants(root: Node): Node[] {
  const found: Node[] = [];
  const waiting: Node[] = [root];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    found.push(node);
    waiting.push(...childrenOf(node).reverse());
  }
  return found;
}

/** What an expression is without the types, parentheses and `await` around it. */
export function bare(node: Node): Node {
  switch (node.type) {
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
    case 'TSNonNullExpression':
    case 'TSTypeAssertion':
    case 'ParenthesizedExpression':
      return bare(node.expression);
    case 'AwaitExpression':
      return bare(node.argument);
    default:
      return node;
  }
}

export type CallNode = Extract<Node, { type: 'CallExpression' | 'OptionalCallExpression' | 'NewExpression' }>;

export function isCall(node: Node): node is CallNode {
  return node.type === 'CallExpression' || node.type === 'OptionalCallExpression' || node.type === 'NewExpression';
}

export type MemberNode = Extract<Node, { type: 'MemberExpression' | 'OptionalMemberExpression' }>;

export function isMember(node: Node): node is MemberNode {
  return node.type === 'MemberExpression' || node.type === 'OptionalMemberExpression';
}

/** `b` of `a.b`, `a['b']` and `a.#b`. */
export function propertyName(node: Node): string | undefined {
  if (!isMember(node)) return undefined;
  const { property, computed } = node;
  if (property.type === 'PrivateName') return `#${property.id.name}`;
  if (!computed && property.type === 'Identifier') return property.name;
  return property.type === 'StringLiteral' ? property.value : undefined;
}

/** The last name of what is called: `post` of `app.post()`, `connect` of `connect()`. */
export function calleeName(call: CallNode): string | undefined {
  const callee = bare(call.callee);
  return callee.type === 'Identifier' ? callee.name : propertyName(callee);
}

/** The key of a property or member of a class, if it is written out. */
export function keyName(key: Node): string | undefined {
  if (key.type === 'Identifier') return key.name;
  if (key.type === 'PrivateName') return `#${key.id.name}`;
  return key.type === 'StringLiteral' ? key.value : undefined;
}

/** The text of a string, or of what a template begins with. */
export function textOf(node: Node | undefined): string | undefined {
  if (node?.type === 'StringLiteral') return node.value;
  if (node?.type === 'TemplateLiteral') return node.quasis[0]?.value.raw;
  return undefined;
}

/** The value of a property of an object literal; `'unknown'` when it may be in what is spread into it. */
export function option(object: Node, name: string): Node | 'unknown' | undefined {
  if (object.type !== 'ObjectExpression') return 'unknown';
  let spread = false;
  for (const property of object.properties) {
    if (property.type === 'SpreadElement') spread = true;
    else if (keyName(property.key) === name) return property.type === 'ObjectProperty' ? property.value : property;
  }
  return spread ? 'unknown' : undefined;
}
