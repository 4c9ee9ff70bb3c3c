import { DroverError } from '../../contracts/drover-error.ts';
import type { NewEvent } from '../../contracts/events.ts';
import { defineScript, type ScriptArgument } from '../script.ts';
import type { WakeHint } from './store.ts';
import type { StoreContext } from './store-context.ts';

/** What the writer has read and relies on: the text in a field of a hash, or in a string key (`field` absent). */
export interface Expectation {
  readonly key: string;
  readonly field?: string;
  readonly text: string | null;
}

export type Write =
  | readonly ['HSET', key: string, field: string, value: string]
  | readonly ['HDEL', key: string, ...fields: string[]]
  | readonly ['SET', key: string, value: string, ...options: string[]]
  | readonly ['DEL', ...keys: string[]]
  | readonly ['PERSIST', key: string]
  | readonly ['SADD' | 'SREM', key: string, member: string]
  | readonly ['ZADD', key: string, score: string, member: string]
  | readonly ['ZREM', key: string, member: string];

/** One atomic step: written whole if everything expected still holds, else not at all. */
export interface Commit {
  /** Set by the leader: the step is refused when this term is over. */
  readonly term?: number;
  readonly expect: readonly Expectation[];
  readonly write: readonly Write[];
  /** Instances whose hold on a port of this node ends. */
  readonly releasePorts?: readonly { readonly nodeId: string; readonly instanceId: string }[];
  /** Revisions that use an artifact no longer; it is removed with its last user. */
  readonly releaseArtifacts?: readonly { readonly digest: string; readonly user: string }[];
  readonly events: readonly NewEvent[];
  /** Who should look again. `desired` counts the version up. */
  readonly wake?: { readonly kind: 'desired' | 'report'; readonly nodes?: readonly string[] };
}

/** About the last 100,000 events are kept: weeks of a busy cluster, some tens of megabytes. */
export const eventLimit = 100_000;

const commitScript = defineScript<{
  keys: [lease: string, epoch: string, version: string, events: string];
  args: ScriptArgument[];
  reply: [committed: number, version: number];
}>({ name: 'commit', file: new URL('../scripts/commit.lua', import.meta.url), numberOfKeys: 4 });

/** Applies one step. `committed` is false when something expected has changed; then nothing was written. */
export async function commit(
  context: StoreContext,
  operation: string,
  step: Commit,
): Promise<{ committed: boolean; version: number }> {
  const { keys, leaseKeys } = context;
  const args: ScriptArgument[] = [
    keys.wake,
    eventLimit,
    step.term === undefined ? '' : String(step.term),
    step.wake?.kind ?? '',
    wakeNodes(step.wake),
  ];
  args.push(step.expect.length);
  for (const { key, field, text } of step.expect) args.push(key, field ?? '', text === null ? '0' : '1', text ?? '');
  args.push(step.write.length);
  for (const write of step.write) args.push(write.length, ...write);
  const ports = step.releasePorts ?? [];
  args.push(ports.length);
  for (const { nodeId, instanceId } of ports) args.push(keys.ports(nodeId), instanceId);
  const artifacts = step.releaseArtifacts ?? [];
  args.push(artifacts.length);
  for (const { digest, user } of artifacts) args.push(keys.artifactUsers(digest), user, keys.artifact(digest));
  args.push(step.events.length, ...step.events.map((event) => JSON.stringify(event)));

  const [committed, version] = await context.ask(operation, (redis) =>
    commitScript.run(redis, [leaseKeys.lease, leaseKeys.epoch, keys.version, keys.events], args),
  );
  return { committed: committed === 1, version };
}

function wakeNodes(wake: Partial<Pick<WakeHint, 'nodes'>> | undefined): string {
  return wake?.nodes === undefined ? '' : JSON.stringify(wake.nodes);
}

/** Writers of one document meet rarely; so many misses in a row mean that something writes without end. */
const maxAttempts = 50;

/**
 * Reads, decides and commits, again from the start when somebody wrote in between. `decide` answers with the step and
 * the result, or with the result alone when there is nothing to write.
 */
export async function transact<T>(
  context: StoreContext,
  operation: string,
  decide: () => Promise<{ readonly step?: Commit; readonly result: T }>,
): Promise<T> {
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const { step, result } = await decide();
    if (step === undefined || (await commit(context, operation, step)).committed) return result;
  }
  throw new DroverError('STATE_CONFLICT', `Others keep changing the same thing (${operation}). Try again.`);
}
