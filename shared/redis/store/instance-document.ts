import type { Instance, InstanceStatus } from '../../contracts/entities.ts';

/** What the leader wrote of an instance: flat, so that a script may rewrite it without harm. */
export type InstanceDocument = Omit<Instance, 'status'>;

/** What the agent reported, and when by the clock of the controller that took it in. */
export type StatusDocument = InstanceStatus & {
  readonly reportedAt: number;
  /** Of a lost instance: the version of desired state that gave it up. */
  readonly lostAtVersion?: number;
};

export function assembleInstance(document: string, status: string): Instance {
  const base = JSON.parse(document) as InstanceDocument;
  const { reportedAt, lostAtVersion: _, ...reported } = JSON.parse(status) as StatusDocument;
  return { ...base, status: reported, updatedAt: Math.max(base.updatedAt, reportedAt) };
}
