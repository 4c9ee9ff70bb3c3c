/** All keys of the store. They share one hash tag, so that a script may touch any of them together. */
export interface Keys {
  readonly prefix: string;
  /** Channel on which a change is announced. */
  readonly wake: string;
  /** Counter: increases with each write of desired state. */
  readonly version: string;
  /** Stream of events. */
  readonly events: string;
  /** Hash: fields of the cluster's identity. */
  readonly cluster: string;
  /** Hash: SHA-256 of a bearer token → its name. */
  readonly tokens: string;
  /** Hash: id → document, and a sorted set: id → when it was last seen, by the store's clock. */
  readonly controllers: string;
  readonly controllersSeen: string;
  /** Hash: id → document, written by users and the agent's hello. */
  readonly nodes: string;
  /** Hash: id → labels that users and join tokens put over those of the host. */
  readonly nodeLabels: string;
  /** Hash: id → state, written by the leader. */
  readonly nodeStates: string;
  /** Hash: id → counter of heartbeats. */
  readonly heartbeats: string;
  /** Hash: id → usage and wall clock of the last heartbeat. */
  readonly usages: string;
  /** Hash: id → session and sequence of the last report. */
  readonly reports: string;
  /** Set: ids of nodes that users removed; their certificates are valid for years and good for nothing. */
  readonly removedNodes: string;
  /** Hash: name → document. */
  readonly services: string;
  /** Hash: name → highest revision number ever given; outlives the service, so that a number never means two things. */
  readonly lastRevisions: string;
  /** Hash: id → document; sorted set: all ids by age; set: ids of those that have not ended. */
  readonly deployments: string;
  readonly deploymentOrder: string;
  readonly activeDeployments: string;
  /** Hash: id → what the leader wrote; hash: id → what the agent reported. */
  readonly instances: string;
  readonly statuses: string;
  /** Hash: node id → status of its router. */
  readonly routers: string;
  /** String: the routing table. */
  readonly routes: string;
  /** Hash: id → document; hash: id → SHA-256 of its secret. */
  readonly joinTokens: string;
  readonly joinTokenSecrets: string;

  /** Hash: revision number → document. */
  revisions(service: string): string;
  /** Sorted set: ids of a service's deployments by age. */
  deploymentsOf(service: string): string;
  /** Sets of instance ids. */
  instancesOnNode(nodeId: string): string;
  instancesOfService(service: string): string;
  /** Hash: slot and target → the newest instance made for it. */
  slots(service: string): string;
  /** Hash: what was last told to users about a slot or instance, so that it is told once. */
  reported(service: string): string;
  /** Hash: leased port → owner. Further keys of the same node start with it (see lease-port.lua). */
  ports(nodeId: string): string;
  /** Hash: `meta` and the chunks by number. */
  artifact(digest: string): string;
  /** Set: the revisions that use an artifact. */
  artifactUsers(digest: string): string;
  /** An artifact on its way in. */
  upload(id: string): string;
  /** String: the answer to a request with an idempotency key. */
  idempotency(service: string, key: string): string;
}

/** The prefix to give to the leader's election, so that a script may touch its keys along with those of the store. */
export function electionPrefix(prefix: string): string {
  return `{${prefix}}`;
}

export function createKeys(prefix: string): Keys {
  const key = (...parts: string[]) => `{${prefix}}:${parts.join(':')}`;
  return {
    prefix,
    wake: key('wake'),
    version: key('version'),
    events: key('events'),
    cluster: key('cluster'),
    tokens: key('tokens'),
    controllers: key('controllers'),
    controllersSeen: key('controllers', 'seen'),
    nodes: key('nodes'),
    nodeLabels: key('nodes', 'labels'),
    nodeStates: key('nodes', 'states'),
    heartbeats: key('nodes', 'heartbeats'),
    usages: key('nodes', 'usages'),
    reports: key('nodes', 'reports'),
    removedNodes: key('nodes', 'removed'),
    services: key('services'),
    lastRevisions: key('services', 'last-revisions'),
    deployments: key('deployments'),
    deploymentOrder: key('deployments', 'order'),
    activeDeployments: key('deployments', 'active'),
    instances: key('instances'),
    statuses: key('instances', 'statuses'),
    routers: key('routers'),
    routes: key('routes'),
    joinTokens: key('join-tokens'),
    joinTokenSecrets: key('join-tokens', 'secrets'),
    revisions: (service) => key('revisions', service),
    deploymentsOf: (service) => key('deployments', 'of', service),
    instancesOnNode: (nodeId) => key('instances', 'on-node', nodeId),
    instancesOfService: (service) => key('instances', 'of-service', service),
    slots: (service) => key('slots', service),
    reported: (service) => key('reported', service),
    ports: (nodeId) => key('ports', nodeId),
    artifact: (digest) => key('artifact', digest),
    artifactUsers: (digest) => key('artifact-users', digest),
    upload: (id) => key('upload', id),
    idempotency: (service, idempotencyKey) => key('idempotency', service, idempotencyKey),
  };
}
