import type { Revision, Target } from '../../contracts/entities.ts';
import { isTerminal } from '../../state/instance-states.ts';
import { readInstances } from './read-instances.ts';
import type { ServiceDraft } from './service-draft.ts';
import type { StoreContext } from './store-context.ts';

/** Revisions kept for a rollback, besides those in use. */
const revisionHistory = 10;

/** Forgets a service's oldest revisions, except those that a target or a live instance names; their artifacts may go too. */
export async function trimRevisions(
  context: StoreContext,
  draft: ServiceDraft,
  name: string,
  targets: readonly (Target | null | undefined)[],
): Promise<void> {
  const { keys } = context;
  const texts = await context.ask('list revisions', (redis) => redis.hvals(keys.revisions(name)));
  const instances = await readInstances(context, keys.instancesOfService(name));
  const inUse = new Set(targets.map((target) => target?.revision));
  for (const { instance } of instances) if (!isTerminal(instance.status.state)) inUse.add(instance.revision);

  const history = texts
    .map((text) => JSON.parse(text) as Revision)
    .filter(({ revision }) => !inUse.has(revision))
    .sort((a, b) => b.revision - a.revision);
  for (const { revision, artifact } of history.slice(revisionHistory)) {
    draft.write.push(['HDEL', keys.revisions(name), String(revision)]);
    if (artifact !== null) draft.releaseArtifacts.push({ digest: artifact, user: `${name}@${revision}` });
  }
}
