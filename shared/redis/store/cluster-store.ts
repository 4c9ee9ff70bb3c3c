import type { Controller } from '../../contracts/entities.ts';
import { defineScript } from '../script.ts';
import type { ClusterIdentity, ClusterStore } from './store.ts';
import type { StoreContext } from './store-context.ts';

/** A controller touches its entry every few seconds; silent for this long it is gone. */
const controllerSilenceMs = 30_000;

const adminTokenName = 'admin';

const initialiseCluster = defineScript<{
  keys: [cluster: string, tokens: string];
  args: [tokenName: string, tokenHash: string, ...identity: string[]];
  reply: string[];
}>({
  name: 'initialise-cluster',
  file: new URL('../scripts/initialise-cluster.lua', import.meta.url),
  numberOfKeys: 2,
});

const touchController = defineScript<{
  keys: [controllers: string, seen: string];
  args: [id: string, document: string, silenceMs: number];
  reply: null;
}>({ name: 'touch-controller', file: new URL('../scripts/touch-controller.lua', import.meta.url), numberOfKeys: 2 });

const listControllers = defineScript<{
  keys: [controllers: string, seen: string];
  args: [silenceMs: number];
  reply: string[];
}>({ name: 'list-controllers', file: new URL('../scripts/list-controllers.lua', import.meta.url), numberOfKeys: 2 });

export function createClusterStore(context: StoreContext): ClusterStore {
  const { keys } = context;
  return {
    async initialise(proposal) {
      const identity = Object.entries(proposal).flat();
      const stored = await context.ask('initialise the cluster', (redis) =>
        initialiseCluster.run(
          redis,
          [keys.cluster, keys.tokens],
          [adminTokenName, proposal.adminTokenHash, ...identity],
        ),
      );
      const fields: Record<string, string> = {};
      for (let index = 0; index < stored.length; index += 2) fields[stored[index]!] = stored[index + 1]!;
      return toIdentity(fields);
    },
    async read() {
      const fields = await context.ask('read the cluster', (redis) => redis.hgetall(keys.cluster));
      return fields.id === undefined ? null : toIdentity(fields);
    },
    async touchController(controller) {
      await context.ask('register the controller', (redis) =>
        touchController.run(
          redis,
          [keys.controllers, keys.controllersSeen],
          [controller.id, JSON.stringify(controller), controllerSilenceMs],
        ),
      );
    },
    async removeController(id) {
      await context.ask('remove the controller', (redis) =>
        Promise.all([redis.hdel(keys.controllers, id), redis.zrem(keys.controllersSeen, id)]),
      );
    },
    async listControllers() {
      const reply = await context.ask('list controllers', (redis) =>
        listControllers.run(redis, [keys.controllers, keys.controllersSeen], [controllerSilenceMs]),
      );
      const controllers: Controller[] = [];
      for (let index = 0; index < reply.length; index += 2) {
        controllers.push({ ...(JSON.parse(reply[index]!) as Controller), seenAt: Number(reply[index + 1]) });
      }
      return controllers.sort((a, b) => a.id.localeCompare(b.id));
    },
    async findToken(hash) {
      const name = await context.ask('look up a token', (redis) => redis.hget(keys.tokens, hash));
      return name === null ? null : { name };
    },
  };
}

function toIdentity(fields: Record<string, string>): ClusterIdentity {
  const { id = '', generation = '', caCertificate = '', caKeySealed = '', adminTokenHash = '' } = fields;
  return { id, generation, caCertificate, caKeySealed, adminTokenHash };
}
