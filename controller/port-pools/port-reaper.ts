import type { ListenersAnswer } from '../../shared/contracts/agent-session.ts';
import { maxAskedPorts } from '../../shared/contracts/agent-session.ts';
import type { Node } from '../../shared/contracts/entities.ts';
import type { Coordination } from '../../shared/coordination/coordination.ts';
import { raiseFence } from '../../shared/coordination/fence/fence-scripts.ts';
import { answerWithin } from '../../shared/coordination/lease/hold.ts';
import { listOrphans, type Orphan, reclaimOrphan } from '../../shared/coordination/port-pool/confirm-orphans.ts';
import { portKeys } from '../../shared/coordination/port-pool/port-keys.ts';
import { listPortHosts } from '../../shared/coordination/port-pool/read-ports.ts';
import { createLoop } from '../../shared/runtime/loop.ts';
import { judgeHost } from './judge-host.ts';

export interface PortReaperOptions {
  /** That of the services: ports are in their Redis, which may be another than that of the controllers. */
  readonly coordination: Coordination;
  readonly nodes: () => Promise<readonly Pick<Node, 'id' | 'name' | 'state'>[]>;
  /** Rejects when the agent of the node does not answer: then nothing is known. */
  readonly askListeners: (nodeId: string, ports: readonly number[]) => Promise<ListenersAnswer>;
  /** The term that this controller holds at this moment, or null. */
  readonly term: () => number | null;
  readonly intervalMs?: number;
}

/** Nobody waits for these ports in a hurry: a service that restarts confirms its orphans itself. */
const defaultIntervalMs = 10_000;
/** An agent has 5 s to answer, and so has Redis; a little more, so that a refusal is heard. */
const answerMs = 6_000;
/** As ports rest after a release: stale routes do not meet a new service. */
const restMs = 60_000;
/** Raised at each look that takes ports back; a leader that was paused for longer has long found out that it is none. */
const keepTermMs = 24 * 3_600_000;

/**
 * Takes back the ports that dead services left on hosts where no service lives that could do it: after the agent of the host
 * has said that nobody listens, or when the host is given up. Only while this controller leads; the script refuses a term
 * below the highest that has taken ports back. Protocol P5. A crash leaves the rest to the next look, or the next leader.
 */
export function createPortReaper(options: PortReaperOptions): { close(): Promise<void> } {
  const { coordination, nodes, askListeners, intervalMs = defaultIntervalMs } = options;
  const { clock, logger, prefix, redis } = coordination;
  const termKey = portKeys(prefix, '').term;
  /** Host → since when nobody of it can be asked, by the monotonic clock. A new leader counts anew. */
  const goneSince = new Map<string, number>();

  /** The end of this controller does not wait for a Redis, or an agent, that does not answer. */
  const answered = <T>(answer: Promise<T>, signal: AbortSignal) => answerWithin(answer, answerMs, clock, signal);

  async function look(signal: AbortSignal): Promise<void> {
    const term = options.term();
    if (term === null) return goneSince.clear();
    if (redis.status !== 'ready') return;
    for (const host of await answered(listPortHosts(redis, prefix), signal)) {
      if (signal.aborted) return;
      const { live, orphans } = await answered(listOrphans(coordination, host), signal);
      if (live > 0 || orphans.length === 0) goneSince.delete(host);
      else await settle(host, orphans, term, signal);
    }
  }

  async function settle(host: string, orphans: readonly Orphan[], term: number, signal: AbortSignal): Promise<void> {
    const nowMs = clock.monotonicMs();
    const verdict = judgeHost(host, await answered(nodes(), signal), nowMs - (goneSince.get(host) ?? nowMs));
    if (verdict.kind === 'ask' || verdict.kind === 'wait') goneSince.delete(host);
    else if (!goneSince.has(host)) goneSince.set(host, nowMs);
    if (verdict.kind === 'wait' || verdict.kind === 'gone') return;
    if (verdict.kind === 'reclaim') return takeBack(host, orphans, { term, why: 'its host is given up' }, signal);
    const asked = takeUpTo(orphans, maxAskedPorts);
    const listening = await findListening(verdict.nodeIds, asked.flatMap(portsOf), signal);
    if (listening === null) return;
    const unused = asked.filter((orphan) => !portsOf(orphan).some((port) => listening.has(port)));
    await takeBack(host, unused, { term, why: 'its host says that nobody listens' }, signal);
  }

  async function findListening(
    nodeIds: readonly string[],
    ports: readonly number[],
    signal: AbortSignal,
  ): Promise<Set<number> | null> {
    const listening = new Set<number>();
    for (const nodeId of nodeIds) {
      try {
        const { listeners } = await answered(askListeners(nodeId, ports), signal);
        for (const { port } of listeners) listening.add(port);
      } catch (error) {
        logger.debug('A host does not say who listens; its orphaned ports stay', { nodeId, error });
        return null;
      }
    }
    return listening;
  }

  async function takeBack(
    host: string,
    orphans: readonly Orphan[],
    { term, why }: { readonly term: number; readonly why: string },
    signal: AbortSignal,
  ): Promise<void> {
    if (orphans.length === 0) return;
    if ((await answered(raiseFence.run(redis, [termKey], [term, keepTermMs]), signal)) === 0) return;
    for (const orphan of orphans) {
      if (options.term() !== term) return;
      const fence = { epochKey: termKey, term };
      const outcome = await answered(reclaimOrphan(coordination, orphan, { host, restMs, fence }), signal);
      if (outcome !== 'reclaimed') continue;
      const { id, owner, ports } = orphan;
      // No event: services take ports back as well, and cannot write to the controllers' log, so half of it would be missing.
      logger.info('Took orphaned ports back', { host, id, owner, ports, why, term });
    }
  }

  const loop = createLoop(look, {
    intervalMs,
    clock,
    onError: (error) => logger.warn('A look at orphaned ports failed; the next one starts over', { error }),
  });
  return { close: () => loop.close() };
}

function portsOf(orphan: Orphan): number[] {
  return Object.values(orphan.ports).flat();
}

/** As many of the first as have no more ports together than one question may name; at least one. */
function takeUpTo(orphans: readonly Orphan[], maxPorts: number): readonly Orphan[] {
  let ports = 0;
  const end = orphans.findIndex((orphan) => {
    ports += portsOf(orphan).length;
    return ports > maxPorts;
  });
  return end < 0 ? orphans : orphans.slice(0, Math.max(1, end));
}
