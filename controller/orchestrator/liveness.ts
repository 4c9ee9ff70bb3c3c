import type { Node } from '../../shared/contracts/entities.ts';
import { type Draft, isLive } from './draft.ts';

/**
 * ready → disconnected → lost by the age of the last change of a node's heartbeat counter, and back to ready with the
 * next change. Live instances of a node that is lost or removed are lost with it.
 */
export function judgeNodes(draft: Draft): void {
  const { limits } = draft.input;
  const losing = new Set(nodesToLose(draft).map(({ id }) => id));
  const held = draft.input.snapshot.nodes.filter((node) => looksLost(draft, node) && !losing.has(node.id));
  for (const node of [...draft.nodes.values()]) {
    const silentMs = silenceMs(draft, node);
    if (losing.has(node.id)) {
      draft.act({
        type: 'setNodeState',
        nodeId: node.id,
        state: 'lost',
        reason: `no heartbeat for ${limits.lostAfterMs} ms`,
      });
    } else if (held.includes(node)) {
      sayHeld(draft, node, held.length);
    } else if (silentMs >= limits.disconnectedAfterMs && node.state === 'ready') {
      draft.act({
        type: 'setNodeState',
        nodeId: node.id,
        state: 'disconnected',
        reason: `no heartbeat for ${limits.disconnectedAfterMs} ms`,
      });
    } else if (silentMs < limits.disconnectedAfterMs && node.state !== 'ready' && isBeating(draft, node)) {
      draft.act({ type: 'setNodeState', nodeId: node.id, state: 'ready', reason: 'its heartbeat is back' });
    }
  }
  loseInstances(draft);
}

/** How many nodes may be lost at the same time; more look like a fault of ours, not of theirs. */
export function lossBrake(nodes: number): number {
  return Math.max(1, Math.floor(nodes / 2));
}

function nodesToLose(draft: Draft): Node[] {
  const { limits, nowMs, observations } = draft.input;
  const graceBeganAtMs = Math.max(
    observations.termBeganAtMs,
    observations.storeResumedAtMs ?? Number.NEGATIVE_INFINITY,
  );
  if (nowMs - graceBeganAtMs < limits.lossGraceMs) return [];
  const nodes = [...draft.nodes.values()];
  const candidates = nodes.filter((node) => looksLost(draft, node));
  if (candidates.length === 0) return [];
  const lately = nodes.filter(
    (node) => node.state === 'lost' && silenceMs(draft, node) < limits.lostAfterMs + limits.brakeHoldMs,
  );
  const allowed = lossBrake(nodes.length) - lately.length;
  if (candidates.length <= allowed && (nodes.length === 1 || candidates.length < nodes.length)) {
    return nodes.length === 1 ? [] : candidates;
  }
  // Somebody's heartbeat comes through, and has for a long time: then the silence of the others is their own.
  const somebodyBeats = nodes.some((node) => silenceMs(draft, node) < limits.disconnectedAfterMs);
  if (!somebodyBeats) return [];
  return candidates.filter((node) => silenceMs(draft, node) >= limits.lostAfterMs + limits.brakeHoldMs);
}

function looksLost(draft: Draft, node: Node): boolean {
  return node.state !== 'lost' && silenceMs(draft, node) >= draft.input.limits.lostAfterMs;
}

function sayHeld(draft: Draft, node: Node, count: number): void {
  const brake = lossBrake(draft.nodes.size);
  const reason =
    count > brake || draft.nodes.size === count
      ? `silent, but ${count} of ${draft.nodes.size} nodes are: not declared lost yet`
      : 'silent, but the leader is too new to judge: not declared lost yet';
  if (draft.saidOfNode(node.id) === `disconnected: ${reason}` && node.state === 'disconnected') return;
  draft.act({ type: 'setNodeState', nodeId: node.id, state: 'disconnected', reason });
}

function silenceMs(draft: Draft, node: Node): number {
  const seen = draft.input.observations.nodes[node.id];
  return seen === undefined ? 0 : draft.input.nowMs - seen.changedAtMs;
}

function isBeating(draft: Draft, node: Node): boolean {
  return draft.input.observations.nodes[node.id]?.beating ?? false;
}

function loseInstances(draft: Draft): void {
  for (const instance of [...draft.instances()]) {
    if (!isLive(instance)) continue;
    const node = draft.nodes.get(instance.nodeId);
    if (node !== undefined && node.state !== 'lost') continue;
    const reason = node === undefined ? 'its node was removed' : `node ${node.name} is lost`;
    if (!draft.act({ type: 'loseInstance', instanceId: instance.id, reason })) return;
  }
}
