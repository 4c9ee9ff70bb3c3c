import { classAround, type Project } from './project.ts';
import { decoratorNames, type Reach } from './reach.ts';
import type { Source } from './read-source.ts';
import { bare, calleeName, childrenOf, isCall, isMember, keyName, type Node, propertyName } from './syntax.ts';

/** A collection in memory that lives longer than one request. */
export interface Container {
  readonly name: string;
  /** Where it is declared. */
  readonly node: Node;
  readonly uses: readonly { source: Source; node: Node }[];
  /** Its type says that its values are connections. */
  readonly holdsSockets: boolean;
}

/** Weak ones are left out: they hold nothing that could be asked for by another request. */
const containerClasses = /^(Map|Set|Array|LRUCache|LRU|QuickLRU|NodeCache|Keyv)$/;
const socketType = /\b(\w*Socket|\w*WebSocket)\b/;

export function findContainers(source: Source, project: Project, reach: Reach): Container[] {
  return source.nodes.flatMap((node): Container[] => {
    if (node.type === 'VariableDeclarator' && node.id.type === 'Identifier' && isContainer(node.init)) {
      // What a request makes for itself ends with it.
      if (reach.isInRequest(source, node)) return [];
      const binding = source.resolve(node.id);
      if (binding === undefined) return [];
      const elsewhere = project.usesElsewhere(binding);
      const uses = [...source.usesOf(binding).map((use) => ({ source, node: use })), ...elsewhere];
      return [{ name: node.id.name, node: node.id, uses, holdsSockets: typeNamesSocket(node.id, node.init) }];
    }
    const property = propertyOf(source, node);
    if (property === undefined || !isContainer(property.value)) return [];
    const around = classAround(source, node);
    if (around === undefined || !outlivesRequests(project, reach, around)) return [];
    const uses = source.nodes.filter(
      (use) =>
        isMember(use) &&
        propertyName(use) === property.name &&
        use.object.type === 'ThisExpression' &&
        use !== property.target &&
        classAround(source, use) === around,
    );
    const holdsSockets = typeNamesSocket(node, property.value);
    return [{ name: property.name, node, uses: uses.map((use) => ({ source, node: use })), holdsSockets }];
  });
}

function isContainer(value: Node | null | undefined): boolean {
  if (value == null) return false;
  const node = bare(value);
  if (node.type === 'ArrayExpression' || node.type === 'ObjectExpression') {
    // What has members from the beginning is a table more often than a store.
    return node.type === 'ArrayExpression' ? node.elements.length === 0 : node.properties.length === 0;
  }
  if (!isCall(node)) return false;
  if (node.type === 'NewExpression') return containerClasses.test(calleeName(node) ?? '');
  return calleeName(node) === 'create' && isMember(node.callee) && node.arguments[0]?.type === 'NullLiteral';
}

/** `used = new Set()` in a class, or `this.used = new Set()` in its constructor. */
function propertyOf(source: Source, node: Node): { name: string; value: Node; target?: Node } | undefined {
  if ((node.type === 'ClassProperty' || node.type === 'ClassPrivateProperty') && node.value) {
    const name = keyName(node.key);
    return name === undefined || (node.type === 'ClassProperty' && node.static)
      ? undefined
      : { name, value: node.value };
  }
  if (node.type !== 'AssignmentExpression' || !isMember(node.left) || node.left.object.type !== 'ThisExpression') {
    return undefined;
  }
  // Anywhere else it is emptied, and was declared before.
  const method = source.parentOf(source.parentOf(source.parentOf(node) ?? node) ?? node);
  if (method?.type !== 'ClassMethod' || method.kind !== 'constructor') return undefined;
  const name = propertyName(node.left);
  return name === undefined ? undefined : { name, value: node.right, target: node.left };
}

/** A class that a framework makes one of, or of which one is made outside of requests. */
function outlivesRequests(project: Project, reach: Reach, around: Node): boolean {
  if (decoratorNames(around).some((name) => /^(Injectable|Controller|WebSocketGateway|Resolver)$/.test(name)))
    return true;
  return project.makersOf(around).some((maker) => !reach.isInRequest(maker.source, maker.node));
}

function typeNamesSocket(...nodes: (Node | null | undefined)[]): boolean {
  const texts: string[] = [];
  const waiting = nodes.filter((node) => node != null);
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.type === 'TSTypeReference' && node.typeName.type === 'Identifier') texts.push(node.typeName.name);
    // Only into types: a value may be as large as a file.
    waiting.push(...childrenOf(node).filter(({ type }) => type.startsWith('TS')));
  }
  return texts.some((text) => socketType.test(text));
}
