import type { Deployment, Instance, Node, Revision, RouterStatus, Service } from '../../contracts/entities.ts';
import type { Snapshot } from '../../contracts/snapshot.ts';
import { isTerminal } from '../../state/instance-states.ts';
import { defineScript } from '../script.ts';
import { assembleInstance } from './instance-document.ts';
import { assembleNode } from './node-document.ts';
import { bySlot } from './read-instances.ts';
import { parseRoutes } from './route-store.ts';
import type { StoreContext } from './store-context.ts';

type Fields = string[];

const readSnapshotScript = defineScript<{
  keys: string[];
  args: [];
  reply: [
    generation: string,
    version: string,
    epoch: string,
    nodes: Fields,
    labels: Fields,
    states: Fields,
    heartbeats: Fields,
    usages: Fields,
    services: Fields,
    deployments: string[],
    instances: Fields,
    statuses: Fields,
    routers: Fields,
    routes: string,
  ];
}>({ name: 'read-snapshot', file: new URL('../scripts/read-snapshot.lua', import.meta.url), numberOfKeys: 15 });

/** Revisions kept in memory between snapshots: as many as a large cluster has live, a few MiB. */
const maxCachedRevisions = 2_000;

/**
 * Returns a function that reads everything the leader decides on, in one atomic step. Revisions never change, and a
 * number is given twice only by a store that lost its last writes, so they are read once over each connection and kept.
 */
export function createSnapshotReader(context: StoreContext): () => Promise<Snapshot> {
  const { keys, leaseKeys } = context;
  const cache = new Map<string, Revision>();
  let connections = context.connections();

  return async () => {
    if (connections !== context.connections()) cache.clear();
    connections = context.connections();
    const reply = await context.ask('read the snapshot', (redis) =>
      readSnapshotScript.run(
        redis,
        [
          ...[keys.cluster, keys.version, leaseKeys.epoch, keys.nodes, keys.nodeLabels, keys.nodeStates],
          ...[keys.heartbeats, keys.usages, keys.services, keys.deployments, keys.activeDeployments],
          ...[keys.instances, keys.statuses, keys.routers, keys.routes],
        ],
        [],
      ),
    );
    const [generation, version, epoch, nodeFields, labels, states, heartbeats, usages] = reply;
    const [, , , , , , , , serviceFields, deploymentTexts, instanceFields, statusFields, routerFields, routes] = reply;

    const services = values<Service>(serviceFields).sort((a, b) => (a.name < b.name ? -1 : 1));
    const deployments = deploymentTexts.map((text) => JSON.parse(text) as Deployment);
    deployments.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
    const instances = readAll(instanceFields, statusFields).sort(bySlot);
    return {
      generation,
      version: Number(version),
      term: Number(epoch),
      nodes: readNodes(nodeFields, labels, states, heartbeats, usages),
      services,
      revisions: await readRevisions(context, cache, services, deployments, instances),
      deployments,
      instances,
      routers: values<RouterStatus>(routerFields).sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
      routes: parseRoutes(routes, generation),
    };
  };
}

function readNodes(nodes: Fields, labels: Fields, states: Fields, heartbeats: Fields, usages: Fields): Node[] {
  const [labelOf, stateOf, heartbeatOf, usageOf] = [toMap(labels), toMap(states), toMap(heartbeats), toMap(usages)];
  return [...toMap(nodes)]
    .map(([id, document]) =>
      assembleNode({
        document,
        labels: labelOf.get(id),
        state: stateOf.get(id),
        heartbeat: heartbeatOf.get(id),
        usage: usageOf.get(id),
      }),
    )
    .sort((a, b) => (a.name < b.name || (a.name === b.name && a.id < b.id) ? -1 : 1));
}

function readAll(documents: Fields, statuses: Fields): Instance[] {
  const statusOf = toMap(statuses);
  const instances: Instance[] = [];
  for (const [id, document] of toMap(documents)) {
    const status = statusOf.get(id);
    if (status !== undefined) instances.push(assembleInstance(document, status));
  }
  return instances;
}

async function readRevisions(
  context: StoreContext,
  cache: Map<string, Revision>,
  services: readonly Service[],
  deployments: readonly Deployment[],
  instances: readonly Instance[],
): Promise<Revision[]> {
  const wanted = new Map<string, readonly [service: string, revision: number]>();
  const want = (service: string, revision: number | undefined) => {
    if (revision !== undefined) wanted.set(`${service}@${revision}`, [service, revision]);
  };
  for (const { name, target, stable } of services) {
    want(name, target.revision);
    want(name, stable?.revision);
  }
  for (const { service, from, to } of deployments) {
    want(service, from?.revision);
    want(service, to.revision);
  }
  for (const { service, revision, status } of instances) if (!isTerminal(status.state)) want(service, revision);

  if (cache.size > maxCachedRevisions) cache.clear();
  const missing = [...wanted].filter(([name]) => !cache.has(name));
  if (missing.length > 0) {
    const texts = await context.ask('read revisions', (redis) =>
      Promise.all(missing.map(([, [service, n]]) => redis.hget(context.keys.revisions(service), String(n)))),
    );
    missing.forEach(([name], index) => {
      const text = texts[index];
      if (typeof text === 'string') cache.set(name, JSON.parse(text) as Revision);
    });
  }
  return [...wanted.keys()].flatMap((name) => cache.get(name) ?? []);
}

function toMap(fields: Fields): Map<string, string> {
  const map = new Map<string, string>();
  for (let index = 0; index < fields.length; index += 2) map.set(fields[index]!, fields[index + 1]!);
  return map;
}

function values<T>(fields: Fields): T[] {
  return [...toMap(fields).values()].map((text) => JSON.parse(text) as T);
}
