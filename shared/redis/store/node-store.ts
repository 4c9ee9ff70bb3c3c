import { DroverError } from '../../contracts/drover-error.ts';
import type { Node } from '../../contracts/entities.ts';
import { isTerminal } from '../../state/instance-states.ts';
import { defineScript } from '../script.ts';
import { transact } from './commit.ts';
import { assembleNode, type NodeDocument, pickFacts, type StoredUsage } from './node-document.ts';
import { readDocument } from './read-document.ts';
import { readInstances } from './read-instances.ts';
import { readJoinToken } from './read-join-token.ts';
import type { NodeStore } from './store.ts';
import type { StoreContext } from './store-context.ts';

const heartbeatNode = defineScript<{
  keys: [nodes: string, heartbeats: string, usages: string, version: string];
  args: [nodeId: string, usage: string];
  reply: number;
}>({ name: 'heartbeat-node', file: new URL('../scripts/heartbeat-node.lua', import.meta.url), numberOfKeys: 4 });

export function createNodeStore(context: StoreContext): NodeStore {
  const { keys } = context;

  async function find(id: string): Promise<Node | null> {
    const parts = await context.ask('read a node', (redis) =>
      Promise.all([
        redis.hget(keys.nodes, id),
        redis.hget(keys.nodeLabels, id),
        redis.hget(keys.nodeStates, id),
        redis.hget(keys.heartbeats, id),
        redis.hget(keys.usages, id),
      ]),
    );
    const [document, labels, state, heartbeat, usage] = parts;
    return document === null ? null : assembleNode({ document, labels, state, heartbeat, usage });
  }

  async function list(): Promise<Node[]> {
    const [documents, labels, states, heartbeats, usages] = await context.ask('list nodes', (redis) =>
      Promise.all([
        redis.hgetall(keys.nodes),
        redis.hgetall(keys.nodeLabels),
        redis.hgetall(keys.nodeStates),
        redis.hgetall(keys.heartbeats),
        redis.hgetall(keys.usages),
      ]),
    );
    return Object.entries(documents)
      .map(([id, document]) =>
        assembleNode({
          document,
          labels: labels[id],
          state: states[id],
          heartbeat: heartbeats[id],
          usage: usages[id],
        }),
      )
      .sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
  }

  async function known(id: string): Promise<Node> {
    const node = await find(id);
    if (node === null) throw nodeNotFound(id);
    return node;
  }

  return {
    list,
    async get(idOrName) {
      return (await find(idOrName)) ?? (await list()).find((node) => node.name === idOrName) ?? null;
    },

    async join({ tokenId, secretHash, node }) {
      await transact(context, 'join a node', async () => {
        const shown = await readJoinToken(context, tokenId, secretHash);
        const existing = await readDocument<NodeDocument>(context, keys.nodes, node.id);
        // The same host asking again after a lost answer must not use the token up twice.
        if (existing.value !== null && shown.isHolder) return { result: undefined };
        const token = shown.usable();
        const used = { ...token, usesLeft: token.usesLeft === null ? null : token.usesLeft - 1 };
        const { id, eligibility, joinedAt } = node;
        const document: NodeDocument = { ...pickFacts(node), id, eligibility, joinedAt };
        return {
          step: {
            expect: [shown.expectation, existing.expectation],
            write: [
              ['HSET', keys.joinTokens, tokenId, JSON.stringify(used)],
              ['HSET', keys.nodes, id, JSON.stringify(document)],
              ['HSET', keys.nodeLabels, id, JSON.stringify(used.labels)],
              ['HSET', keys.nodeStates, id, node.state],
              ['HSET', keys.heartbeats, id, String(node.heartbeat)],
            ],
            events: [
              {
                type: 'node.joined',
                actor: `node:${id}`,
                reason: `with join token ${tokenId}`,
                nodeId: id,
                data: { name: node.name, address: node.address },
              },
            ],
            wake: { kind: 'desired', nodes: [id] },
          },
          result: undefined,
        };
      });
      return await known(node.id);
    },

    async hello(nodeId, facts) {
      await transact(context, 'greet a node', async () => {
        const { value, expectation } = await readDocument<NodeDocument>(context, keys.nodes, nodeId);
        if (value === null) {
          throw new DroverError(
            'CERTIFICATE_INVALID',
            `Node ${nodeId} is not of this cluster, or was removed from it. Join the host again.`,
          );
        }
        const document = JSON.stringify({ ...value, ...pickFacts(facts) });
        const changed = document !== expectation.text;
        return {
          step: {
            expect: [expectation],
            write: changed ? [['HSET', keys.nodes, nodeId, document]] : [],
            events: [
              {
                type: 'node.connected',
                actor: `node:${nodeId}`,
                reason: `agent ${facts.version} has connected`,
                nodeId,
              },
            ],
            wake: changed ? { kind: 'desired' } : { kind: 'report' },
          },
          result: undefined,
        };
      });
      return await known(nodeId);
    },

    async wasRemoved(nodeId) {
      return (
        (await context.ask('look for a removed node', (redis) => redis.sismember(keys.removedNodes, nodeId))) === 1
      );
    },

    async heartbeat(nodeId, usage) {
      const beat: StoredUsage = { at: context.nowMs(), usage };
      return await context.ask('count a heartbeat', (redis) =>
        heartbeatNode.run(
          redis,
          [keys.nodes, keys.heartbeats, keys.usages, keys.version],
          [nodeId, JSON.stringify(beat)],
        ),
      );
    },

    async update(nodeId, change, actor) {
      await transact(context, 'update a node', async () => {
        const { value, expectation } = await readDocument<NodeDocument>(context, keys.nodes, nodeId);
        if (value === null) throw nodeNotFound(nodeId);
        const eligibility = change.eligibility ?? value.eligibility;
        const moved = eligibility !== value.eligibility;
        return {
          step: {
            expect: [expectation],
            write: [
              ['HSET', keys.nodes, nodeId, JSON.stringify({ ...value, eligibility })],
              ...(change.labels === undefined
                ? []
                : [['HSET', keys.nodeLabels, nodeId, JSON.stringify(change.labels)] as const]),
            ],
            events: moved
              ? [
                  {
                    type: 'node.eligibilityChanged',
                    actor,
                    reason: '',
                    nodeId,
                    data: { from: value.eligibility, to: eligibility },
                  },
                ]
              : [],
            wake: { kind: 'desired', nodes: [nodeId] },
          },
          result: undefined,
        };
      });
      return await known(nodeId);
    },

    async remove(nodeId, actor) {
      await transact(context, 'remove a node', async () => {
        const { value, expectation } = await readDocument<NodeDocument>(context, keys.nodes, nodeId);
        if (value === null) throw nodeNotFound(nodeId);
        // The version moves with each instance that is placed: none can arrive between this look and the removal.
        const version = await context.ask('read the version', (redis) => redis.get(keys.version));
        const state = (await known(nodeId)).state;
        const live = (await readInstances(context, keys.instancesOnNode(nodeId))).filter(
          ({ instance }) => !isTerminal(instance.status.state),
        );
        if (state === 'ready' && live.length > 0) {
          throw new DroverError(
            'STATE_CONFLICT',
            `Node ${value.name} is ready and has ${live.length} instances. Drain it first with: drover node drain ${value.name}`,
          );
        }
        const ports = keys.ports(nodeId);
        return {
          step: {
            expect: [expectation, { key: keys.version, text: version }],
            write: [
              ...[keys.nodes, keys.nodeLabels, keys.nodeStates, keys.heartbeats, keys.usages, keys.reports].map(
                (key) => ['HDEL', key, nodeId] as const,
              ),
              ['HDEL', keys.routers, nodeId],
              ['SADD', keys.removedNodes, nodeId],
              ['DEL', ports, ...['counts', 'holders', 'shared', 'freed', 'next'].map((part) => `${ports}:${part}`)],
            ],
            events: [{ type: 'node.removed', actor, reason: '', nodeId, data: { name: value.name } }],
            wake: { kind: 'desired', nodes: [nodeId] },
          },
          result: undefined,
        };
      });
    },
  };
}

function nodeNotFound(id: string): DroverError {
  return new DroverError('NODE_NOT_FOUND', `No node has the id or name ${id}. List them with: drover node ls`);
}
