import { type Check, type Finding, findingAt } from '../finding.ts';
import type { Project } from '../project.ts';
import type { Source } from '../read-source.ts';
import type { RuleId } from '../rules.ts';
import { bare, type CallNode, calleeName, descendants, isCall, keyName, type Node, option } from '../syntax.ts';

/** Packages that keep what they know in this process, unless one of these options says where else. */
const packages: Readonly<Record<string, { rule: RuleId; stores: readonly string[] }>> = {
  'express-session': { rule: 'memory-session', stores: ['store'] },
  '@fastify/session': { rule: 'memory-session', stores: ['store'] },
  'express-rate-limit': { rule: 'memory-rate-limit', stores: ['store'] },
  'express-slow-down': { rule: 'memory-rate-limit', stores: ['store'] },
  '@fastify/rate-limit': { rule: 'memory-rate-limit', stores: ['redis', 'store'] },
};

/** Names of these packages that are made, and are not the middleware itself. */
const others = /^(MemoryStore|Store|Session|Cookie|ipKeyGenerator)$/;

export const middleware: Check = ({ source, project }) =>
  source.nodes.flatMap((node): Finding[] => {
    if (!isCall(node)) return [];
    const own = project.packageOf(source, node.callee);
    if (own !== undefined && packages[own.from] !== undefined && !others.test(own.name)) {
      return judge(project, source, node, own.from, node.arguments[0]);
    }
    const name = calleeName(node);
    const first = node.arguments[0];
    if (name === 'register' && first !== undefined) {
      const plugin = project.packageOf(source, first);
      if (plugin !== undefined && packages[plugin.from]) {
        return judge(project, source, node, plugin.from, node.arguments[1]);
      }
    }
    if (own?.from === 'rate-limiter-flexible' && own.name === 'RateLimiterMemory') {
      return [findingAt(source, node, 'memory-rate-limit', 'RateLimiterMemory')];
    }
    const isThrottler = /^forRoot(Async)?$/.test(name ?? '') && own?.from === '@nestjs/throttler';
    if (!isThrottler || descendants(node).some((one) => 'key' in one && keyName(one.key as Node) === 'storage'))
      return [];
    return [findingAt(source, node, 'memory-rate-limit', '@nestjs/throttler')];
  });

function judge(project: Project, source: Source, call: CallNode, from: string, given: Node | undefined): Finding[] {
  const { rule, stores } = packages[from]!;
  const finding = [findingAt(source, call, rule, from)];
  if (given === undefined) return finding;
  const value = bare(given);
  const named = value.type === 'Identifier' ? project.resolve(source, value)?.init : value;
  if (named === undefined) return [];
  return stores.every((name) => option(bare(named), name) === undefined) ? finding : [];
}
