import type { Report } from '../../contracts/agent-session.ts';
import type {
  Artifact,
  Controller,
  Deployment,
  Instance,
  JoinToken,
  Node,
  NodeFacts,
  Revision,
  RouterStatus,
  RoutingTable,
  Service,
} from '../../contracts/entities.ts';
import type { DroverEvent, EventType } from '../../contracts/events.ts';
import type { LeaderAction } from '../../contracts/leader-action.ts';
import type { Snapshot } from '../../contracts/snapshot.ts';
import type { Scale, ServiceSpec, UpdatePolicy } from '../../contracts/spec.ts';

/**
 * All durable state. One file per aggregate; each change is decided on what was read and written by one Lua script that
 * refuses when any of it has changed since (or when the leader's term is over), and appends the events in the same step.
 * Every method throws DroverError STORE_UNREACHABLE when Redis does not answer in time, and then either nothing was
 * written or the call may be repeated with the same arguments to the same effect.
 */
export interface Store {
  readonly cluster: ClusterStore;
  readonly nodes: NodeStore;
  readonly services: ServiceStore;
  readonly deployments: DeploymentStore;
  readonly instances: InstanceStore;
  readonly routes: RouteStore;
  readonly artifacts: ArtifactStore;
  readonly joinTokens: JoinTokenStore;
  readonly events: EventStore;
  readonly leader: LeaderStore;
  /** Called (never concurrently with itself) when desired or reported state has changed; may be called too often. */
  onWake(listener: (hint: WakeHint) => void): () => void;
  close(): Promise<void>;
}

/** What a wake message says changed. `nodes` lists nodes whose plan changed; absent is "any". */
export interface WakeHint {
  readonly version: number;
  readonly kind: 'desired' | 'report' | 'reconnected';
  readonly nodes?: readonly string[];
}

export interface ClusterStore {
  /**
   * Sets the cluster up once: id, generation, certificate authority (its key sealed by the caller), hash of the admin
   * token. Returns what is stored, the caller's own or that of the controller which was first.
   */
  initialise(proposal: ClusterIdentity): Promise<ClusterIdentity>;
  read(): Promise<ClusterIdentity | null>;
  /** Register or refresh this controller; entries not refreshed for 30 s by the store's clock are left out of the list. */
  touchController(controller: Controller): Promise<void>;
  removeController(id: string): Promise<void>;
  listControllers(): Promise<Controller[]>;
  /** SHA-256 (hex) of a bearer token → its name, or null. */
  findToken(hash: string): Promise<{ name: string } | null>;
}

export interface ClusterIdentity {
  readonly id: string;
  readonly generation: string;
  readonly caCertificate: string;
  /** AES-256-GCM by the cluster key; opaque here. */
  readonly caKeySealed: string;
  readonly adminTokenHash: string;
}

export interface NodeStore {
  /** Uses up one use of the join token (SHA-256 of its secret compared in the script) and writes the node. @throws JOIN_TOKEN_INVALID */
  join(request: { tokenId: string; secretHash: string; node: Node }): Promise<Node>;
  /** An agent has connected: refresh its facts. @throws CERTIFICATE_INVALID when the node was removed. */
  hello(nodeId: string, facts: NodeFacts): Promise<Node>;
  /** Whether a user removed this node. False for one that was never here, or whose joining a failover lost. */
  wasRemoved(nodeId: string): Promise<boolean>;
  /** O(1); no event. Returns the current version of desired state. */
  heartbeat(nodeId: string, usage: Node['usage']): Promise<number>;
  list(): Promise<Node[]>;
  /** By id, else by name. */
  get(idOrName: string): Promise<Node | null>;
  update(
    nodeId: string,
    change: { eligibility?: Node['eligibility']; labels?: Record<string, string> },
    actor: string,
  ): Promise<Node>;
  /** @throws STATE_CONFLICT while it is ready and has instances. Frees its ports. */
  remove(nodeId: string, actor: string): Promise<void>;
}

export interface DeployRequest {
  readonly spec: ServiceSpec;
  readonly artifact: string | null;
  readonly ifRevision?: number;
  readonly idempotencyKey?: string;
  readonly actor: string;
  readonly kind: 'deploy' | 'rollback';
  /** Rolling back: the revision to go to, instead of making a new one. */
  readonly toRevision?: number;
  readonly update: UpdatePolicy;
}

export interface Accepted {
  readonly service: string;
  readonly revision: number;
  readonly deploymentId: string | null;
}

export interface ServiceStore {
  list(): Promise<Service[]>;
  get(name: string): Promise<Service | null>;
  /**
   * Revision, target and deployment in one script. A spec and artifact equal to the target's make no new revision (and no
   * deployment, unless only the scale differs: kind `scale`). A deployment in progress becomes `superseded`.
   * @throws REVISION_CONFLICT, IDEMPOTENCY_MISMATCH, ARTIFACT_NOT_FOUND, REVISION_NOT_FOUND, STATE_CONFLICT
   */
  deploy(name: string, request: DeployRequest): Promise<Accepted>;
  scale(name: string, scale: Scale, actor: string): Promise<Accepted>;
  /** Next generation of the same revision. `restart` replaces all at once, stop first. @throws STATE_CONFLICT while stopped. */
  renew(name: string, kind: 'reload' | 'restart', update: UpdatePolicy, actor: string): Promise<Accepted>;
  setStopped(name: string, stopped: boolean, actor: string): Promise<Accepted>;
  markDeleted(name: string, actor: string): Promise<Accepted>;
  listRevisions(name: string): Promise<Revision[]>;
  getRevision(name: string, revision: number): Promise<Revision | null>;
}

export interface DeploymentStore {
  /** Newest first. */
  list(filter: { service?: string; limit: number }): Promise<Deployment[]>;
  get(id: string): Promise<Deployment | null>;
}

export interface InstanceStore {
  list(filter: { service?: string; nodeId?: string }): Promise<Instance[]>;
  get(id: string): Promise<Instance | null>;
  /**
   * A node's report. Only instances of that node are touched, states only advance, an older `sequence` of the same
   * `agentId` is ignored, and `router` becomes the status of the node's router. Appends an event per change of state,
   * health or restarts, and wakes only if something that matters changed. Returns the version of desired state.
   */
  report(nodeId: string, agentId: string, report: Report): Promise<number>;
}

export interface RouteStore {
  current(): Promise<RoutingTable>;
  routers(): Promise<RouterStatus[]>;
}

export interface ArtifactStore {
  get(digest: string): Promise<Artifact | null>;
  /** Streams into chunks of 1 MiB; visible only once whole and its SHA-256 has been checked. @throws ARTIFACT_MISMATCH, ARTIFACT_TOO_LARGE */
  put(digest: string, content: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Artifact>;
  /** @throws ARTIFACT_NOT_FOUND */
  read(digest: string): AsyncIterable<Buffer>;
}

export interface JoinTokenStore {
  create(token: JoinToken, secretHash: string, actor: string): Promise<void>;
  /** Whether a host may join with it now; uses nothing up. @throws JOIN_TOKEN_INVALID */
  check(id: string, secretHash: string): Promise<void>;
  list(): Promise<JoinToken[]>;
  /** @throws TOKEN_NOT_FOUND */
  revoke(id: string, actor: string): Promise<void>;
}

export interface EventStore {
  /** Oldest first, after `after` (exclusive; null is from the start). */
  read(query: { after: string | null; limit: number }): Promise<DroverEvent[]>;
  /** The newest `limit` events, oldest first. */
  tail(limit: number): Promise<DroverEvent[]>;
  /** Events that no other change carries: leader.elected, store.recovered. */
  append(event: { type: EventType; actor: string; reason: string; data?: Record<string, unknown> }): Promise<void>;
}

export interface LeaderStore {
  /** One atomic read of everything the leader decides on. */
  snapshot(): Promise<Snapshot>;
  /**
   * Applies one action under a term.
   * @throws LEASE_LOST when the term is not the current leader's. Returns false when the action no longer fits what is
   * stored (somebody changed it in between): read again and decide again.
   */
  apply(term: number, controllerId: string, action: LeaderAction): Promise<boolean>;
}
