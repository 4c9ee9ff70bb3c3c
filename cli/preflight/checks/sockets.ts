import { type Check, type Finding, findingAt } from '../finding.ts';
import { decoratorNames } from '../reach.ts';
import type { Source } from '../read-source.ts';
import { bare, calleeName, isCall, isMember, option, propertyName } from '../syntax.ts';

/** Socket.IO without an adapter, and broadcasts over the sockets of a plain WebSocket server. */
export const sockets: Check = ({ source, project, reach }) =>
  source.nodes.flatMap((node): Finding[] => {
    if (node.type === 'ClassDeclaration' && decoratorNames(node).includes('WebSocketGateway')) {
      const isAdapted = project.sources.some((one) => calls(one, /^(useWebSocketAdapter|mountSocketIo|adapter)$/));
      return isAdapted ? [] : [findingAt(source, node.id ?? node, 'socket-no-adapter', node.id?.name ?? 'gateway')];
    }
    if (isCall(node)) {
      const origin = project.packageOf(source, node.callee);
      const isServer = origin?.from === 'socket.io' && /^(Server|default|\*)$/.test(origin.name);
      if (!isServer) return [];
      const isAdapted = node.arguments.some(
        (one) => option(bare(one), 'adapter') !== undefined && one.type === 'ObjectExpression',
      );
      if (isAdapted || project.connected(source).some((one) => calls(one, /^(mountSocketIo|adapter)$/))) return [];
      return [findingAt(source, node, 'socket-no-adapter', 'socket.io')];
    }
    // `server.clients` of ws: everybody who is connected to this instance.
    if (!isMember(node) || propertyName(node) !== 'clients' || node.object.type !== 'Identifier') return [];
    const binding = project.resolve(source, node.object);
    const made = binding?.init === undefined ? undefined : bare(binding.init);
    if (binding === undefined || made?.type !== 'NewExpression') return [];
    if (project.packageOf(binding.source, made.callee)?.from !== 'ws' || !reach.isInRequest(source, node)) return [];
    return project.connected(source).some((one) => calls(one, /^(topic|subscribe|pSubscribe)$/))
      ? []
      : [findingAt(source, node, 'socket-no-adapter', 'ws')];
  });

function calls(source: Source, name: RegExp): boolean {
  return source.nodes.some((node) => isCall(node) && name.test(calleeName(node) ?? ''));
}
