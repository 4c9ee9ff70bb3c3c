import { findContainers } from '../containers.ts';
import { type Check, findingAt } from '../finding.ts';
import { accessesOf } from '../state-access.ts';

/** Collections that outlive a request, that requests change, and that are read again before the process ends. */
export const memoryState: Check = ({ source, project, reach }) =>
  findContainers(source, project, reach).flatMap((container) => {
    const accesses = container.uses.flatMap((use) => accessesOf(project, use.source, use.node));
    const puts = accesses.filter(({ kind, source: at, node }) => kind === 'put' && reach.isInRequest(at, node));
    if (puts.length === 0) return [];
    const takes = accesses.filter(({ kind, source: at, node }) => kind === 'take' && !reach.isInRequest(at, node));
    const reads = accesses.filter(({ kind, source: at, node }) => kind === 'read' && !reach.isInShutdown(at, node));
    if (takes.length > 0) return [findingAt(source, container.node, 'memory-queue', container.name)];
    if (reads.length === 0 && !accesses.some(({ kind }) => kind === 'take')) return [];
    const holdsSockets = container.holdsSockets || puts.some(({ isSocket }) => isSocket);
    const rule = holdsSockets ? 'memory-sockets' : 'memory-state';
    return [findingAt(source, container.node, rule, container.name)];
  });
