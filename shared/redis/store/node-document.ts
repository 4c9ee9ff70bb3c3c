import type { Node, NodeFacts } from '../../contracts/entities.ts';

/** The parts of a node as they are stored, each with one writer, as text. */
export interface NodeParts {
  /** By users and the agent's hello. */
  readonly document: string;
  /** By users: put over the labels of the host. */
  readonly labels: string | null | undefined;
  /** By the leader. */
  readonly state: string | null | undefined;
  /** By heartbeats. */
  readonly heartbeat: string | null | undefined;
  readonly usage: string | null | undefined;
}

export type NodeDocument = NodeFacts & Pick<Node, 'id' | 'eligibility' | 'joinedAt'>;

export interface StoredUsage {
  readonly at: number;
  readonly usage: Node['usage'];
}

export function assembleNode({ document, labels, state, heartbeat, usage }: NodeParts): Node {
  const base = JSON.parse(document) as NodeDocument;
  const last = usage ? (JSON.parse(usage) as StoredUsage) : undefined;
  return {
    ...base,
    labels: { ...base.labels, ...(labels ? (JSON.parse(labels) as Record<string, string>) : {}) },
    state: (state ?? 'disconnected') as Node['state'],
    heartbeat: Number(heartbeat ?? 0),
    heartbeatAt: last?.at ?? base.joinedAt,
    ...(last?.usage === undefined ? {} : { usage: last.usage }),
  };
}

/** The facts a host tells of itself, and nothing else that an object may carry. */
export function pickFacts(facts: NodeFacts): NodeFacts {
  const { name, address, cores, memoryBytes, ports, labels, router, version } = facts;
  return { name, address, cores, memoryBytes, ports, labels, router, version };
}
