import type { Instance } from '../../contracts/entities.ts';
import { defineScript } from '../script.ts';
import { assembleInstance } from './instance-document.ts';
import type { StoreContext } from './store-context.ts';

/** An instance and the texts it was read from, on which a writer may rely. */
export interface StoredInstance {
  readonly instance: Instance;
  readonly documentText: string;
  readonly statusText: string;
}

const listInstances = defineScript<{
  keys: [ids: string, instances: string, statuses: string];
  args: [];
  reply: string[];
}>({ name: 'list-instances', file: new URL('../scripts/list-instances.lua', import.meta.url), numberOfKeys: 3 });

/** The instances whose ids are in the set `ids`, by service and slot. */
export async function readInstances(context: StoreContext, ids: string): Promise<StoredInstance[]> {
  const { instances, statuses } = context.keys;
  const texts = await context.ask('list instances', (redis) =>
    listInstances.run(redis, [ids, instances, statuses], []),
  );
  const found: StoredInstance[] = [];
  for (let index = 0; index < texts.length; index += 2) {
    const [documentText, statusText] = [texts[index]!, texts[index + 1]!];
    found.push({ instance: assembleInstance(documentText, statusText), documentText, statusText });
  }
  return found.sort((a, b) => bySlot(a.instance, b.instance));
}

export async function readInstance(context: StoreContext, id: string): Promise<StoredInstance | null> {
  const [documentText, statusText] = await context.ask('read an instance', (redis) =>
    Promise.all([redis.hget(context.keys.instances, id), redis.hget(context.keys.statuses, id)]),
  );
  if (documentText === null || statusText === null) return null;
  return { instance: assembleInstance(documentText, statusText), documentText, statusText };
}

/** Order of all lists of instances: service, slot, age. */
export function bySlot(a: Instance, b: Instance): number {
  return compare(a.service, b.service) || a.slot - b.slot || a.createdAt - b.createdAt || compare(a.id, b.id);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
