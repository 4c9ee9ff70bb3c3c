import { classAround, type Project } from './project.ts';
import type { Source } from './read-source.ts';
import { bare, calleeName, descendants, isCall, isFunction, isMember, keyName, type Node, textOf } from './syntax.ts';

/** Which functions run for requests, and which only when the process ends. */
export interface Reach {
  /** Whether the node is in code that runs for a request, a message or a connection. */
  isInRequest(source: Source, node: Node): boolean;
  /** Whether it runs at the end of the process, and not for requests. */
  isInShutdown(source: Source, node: Node): boolean;
}

const routeVerbs = new Set([
  'get',
  'post',
  'put',
  'patch',
  'delete',
  'del',
  'head',
  'options',
  'all',
  'use',
  'route',
  'addHook',
]);
const requestEvents = new Set(['request', 'connection', 'upgrade', 'secureConnection', 'stream', 'checkContinue']);
const endHooks = new Set(['onClose', 'preClose']);
const routeDecorators =
  /^(Get|Post|Put|Patch|Delete|All|Head|Options|Sse|SubscribeMessage|MessagePattern|EventPattern|GrpcMethod|Query|Mutation)$/;
const injected = /^(Injectable|Controller|WebSocketGateway|Resolver)$/;
const lifecycle = /^(constructor|on(Module|Application)\w+|before\w+Shutdown|afterInit)$/;
const scheduleDecorators = /^(Cron|Interval|Timeout)$/;

type Found = { source: Source; node: Node };

export function findReach(project: Project): Reach {
  const requests = spread(
    project,
    project.sources.flatMap((source) => requestSeeds(project, source)),
  );
  const endings = spread(
    project,
    project.sources.flatMap((source) => shutdownSeeds(project, source)),
  );
  const isIn = (functions: ReadonlySet<Node>, source: Source, node: Node) => {
    for (let at: Node | undefined = node; at !== undefined; at = source.parentOf(at))
      if (functions.has(at)) return true;
    return false;
  };
  const isInRequest: Reach['isInRequest'] = (source, node) => isIn(requests, source, node);
  return {
    isInRequest,
    isInShutdown: (source, node) => isIn(endings, source, node) && !isInRequest(source, node),
  };
}

/** The functions, and all that they call. */
function spread(project: Project, seeds: readonly Found[]): Set<Node> {
  const found = new Set<Node>();
  const waiting = [...seeds];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { source, node } = next;
    if (found.has(node)) continue;
    found.add(node);
    for (const inner of descendants(node)) {
      if (!isCall(inner)) continue;
      waiting.push(...project.functionsOf(source, inner.callee));
      for (const argument of inner.arguments) {
        if (argument.type === 'Identifier' || isMember(argument))
          waiting.push(...project.functionsOf(source, argument));
      }
    }
  }
  return found;
}

function requestSeeds(project: Project, source: Source): Found[] {
  return source.nodes.flatMap((node): Found[] => {
    if (node.type === 'ClassMethod') return isRequestMethod(source, node) ? [{ source, node }] : [];
    if (!isCall(node)) return [];
    const name = calleeName(node) ?? '';
    const first = node.arguments[0];
    const handlers = () => node.arguments.flatMap((argument) => handlersIn(project, source, argument));
    if (/^create(Secure)?Server$/.test(name)) return handlers();
    if (name === 'on' || name === 'addListener' || name === 'once') {
      return requestEvents.has(textOf(first) ?? '') ? handlers() : [];
    }
    if (!routeVerbs.has(name) || !isMember(bare(node.callee))) return [];
    if (name === 'addHook') return endHooks.has(textOf(first) ?? '') ? [] : handlers();
    if (name === 'use' || name === 'route') return handlers();
    // `map.get(key)` has no function behind its key.
    return node.arguments.length > 1 ? handlers() : [];
  });
}

/** Functions among the arguments of a route: alone, in a list, or as handlers in its options. */
function handlersIn(project: Project, source: Source, argument: Node): Found[] {
  const node = bare(argument);
  if (node.type === 'ArrayExpression') {
    return node.elements.flatMap((element) => (element ? handlersIn(project, source, element) : []));
  }
  if (node.type !== 'ObjectExpression') return project.functionsOf(source, node);
  return node.properties.flatMap((property) => {
    if (property.type === 'ObjectMethod') return [{ source, node: property }];
    return property.type === 'ObjectProperty' ? project.functionsOf(source, property.value) : [];
  });
}

function isRequestMethod(source: Source, method: Extract<Node, { type: 'ClassMethod' }>): boolean {
  const own = decoratorNames(method);
  if (own.some((name) => routeDecorators.test(name))) return true;
  if (own.some((name) => scheduleDecorators.test(name)) || lifecycle.test(keyName(method.key) ?? '')) return false;
  return decoratorNames(classAround(source, method)).some((name) => injected.test(name));
}

/** `Cron` of `@Cron('…')` and of `@Cron`. */
export function decoratorNames(node: Node | undefined): string[] {
  if (node === undefined || !('decorators' in node) || !Array.isArray(node.decorators)) return [];
  return (node.decorators as Extract<Node, { type: 'Decorator' }>[]).map(({ expression }) => {
    if (isCall(expression)) return calleeName(expression) ?? '';
    return expression.type === 'Identifier' ? expression.name : '';
  });
}

function shutdownSeeds(project: Project, source: Source): Found[] {
  return source.nodes.flatMap((node): Found[] => {
    if (!isCall(node)) return [];
    const name = calleeName(node) ?? '';
    const callee = bare(node.callee);
    const object = isMember(callee) ? callee.object : undefined;
    const isProcess = object?.type === 'Identifier' && object.name === 'process';
    const event = textOf(node.arguments[0]) ?? '';
    const isEnd = (isProcess && /^(on|once|addListener)$/.test(name)) || (name === 'addHook' && endHooks.has(event));
    if (!isEnd) return [];
    return node.arguments.flatMap((argument) =>
      isFunction(argument) ? [{ source, node: argument }] : project.functionsOf(source, argument),
    );
  });
}
