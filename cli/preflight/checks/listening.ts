import { type Check, type Finding, findingAt } from '../finding.ts';
import type { Project } from '../project.ts';
import type { Source } from '../read-source.ts';
import { bare, calleeName, descendants, isCall, isMember, type Node, option, propertyName, textOf } from '../syntax.ts';

const closers =
  /^(close-with-grace|http-terminator|@godaddy\/terminus|stoppable|fastify-graceful-shutdown|lightship|async-exit-hook)$/;

/** Through how many names a port is followed; a name may also stand for itself. */
const maxSteps = 6;

/** Servers on a port of their own choice, and servers that nobody stops. */
export const listening: Check = ({ source, project, reach }) => {
  const found: Finding[] = [];
  let listens: Node | undefined;
  for (const node of source.nodes) {
    if (!isCall(node)) continue;
    const port = portOf(project, source, node);
    if (port === undefined) continue;
    const fixed = fixedPort(project, source, port);
    if (fixed !== undefined) found.push(findingAt(source, node, 'fixed-port', String(fixed)));
    if (!reach.isInRequest(source, node)) listens ??= node;
  }
  if (listens !== undefined && !project.connected(source).some((one) => endsInOrder(project, one))) {
    found.push(findingAt(source, listens, 'no-shutdown', 'listen'));
  }
  return found;
};

/** The expression that says the port, if the call makes a server listen. */
function portOf(project: Project, source: Source, call: Node): Node | undefined {
  if (!isCall(call)) return undefined;
  const callee = bare(call.callee);
  const first = call.arguments[0] === undefined ? undefined : bare(call.arguments[0]);
  if (first === undefined) return undefined;
  if (call.type === 'NewExpression') {
    const origin = project.packageOf(source, call.callee);
    const isSocketServer = (origin?.from === 'ws' && /Server$/.test(origin.name)) || origin?.from === 'socket.io';
    if (!isSocketServer) return undefined;
    if (first.type === 'NumericLiteral') return first;
    const port = first.type === 'ObjectExpression' ? option(first, 'port') : undefined;
    return port === 'unknown' ? undefined : port;
  }
  if (!isMember(callee) || propertyName(callee) !== 'listen') return undefined;
  if (first.type === 'ObjectExpression') {
    const port = option(first, 'port');
    return port === 'unknown' ? undefined : port;
  }
  return first.type === 'StringLiteral' && !/^\d+$/.test(first.value) ? undefined : saysPort(first) ? first : undefined;
}

function saysPort(node: Node): boolean {
  return descendants(node).some(
    (one) =>
      one.type === 'NumericLiteral' ||
      /^\d+$/.test(textOf(one) ?? '') ||
      (one.type === 'Identifier' && /port$/i.test(one.name)),
  );
}

/** The port, if it is a number in the code that nothing can change. 0 asks for any port. */
function fixedPort(project: Project, source: Source, expression: Node, steps = 0): number | undefined {
  const node = bare(expression);
  if (steps > maxSteps) return undefined;
  if (node.type === 'NumericLiteral') return node.value === 0 ? undefined : node.value;
  if (node.type === 'StringLiteral') return Number(node.value) || undefined;
  if (isCall(node) && calleeName(node) === 'Number' && node.arguments[0])
    return fixedPort(project, source, node.arguments[0], steps + 1);
  if (node.type !== 'Identifier') return undefined;
  const binding = project.resolve(source, node);
  const declarator = binding === undefined ? undefined : binding.source.parentOf(binding.declaration);
  // What is taken out of the environment has its number as a default only.
  if (binding?.init === undefined || declarator?.type !== 'VariableDeclarator') return undefined;
  return fixedPort(project, binding.source, binding.init, steps + 1);
}

function endsInOrder(project: Project, source: Source): boolean {
  const texts = new Set(source.nodes.flatMap((node) => textOf(node) ?? []));
  return source.nodes.some((node) => {
    if (node.type === 'ImportDeclaration') return closers.test(node.source.value);
    if (!isCall(node)) return false;
    const name = calleeName(node) ?? '';
    if (name === 'enableShutdownHooks' || closers.test(project.packageOf(source, node.callee)?.from ?? '')) return true;
    const callee = bare(node.callee);
    if (!isMember(callee) || callee.object.type !== 'Identifier' || callee.object.name !== 'process') return false;
    if (!/^(on|once|addListener)$/.test(name)) return false;
    const event = textOf(node.arguments[0]);
    if (event === undefined) return texts.has('SIGTERM') || texts.has('SIGINT');
    return event === 'SIGTERM' || event === 'SIGINT' || (event === 'message' && texts.has('shutdown'));
  });
}
