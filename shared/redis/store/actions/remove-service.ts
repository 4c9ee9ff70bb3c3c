import type { Revision, Service } from '../../../contracts/entities.ts';
import { commit, type Write } from '../commit.ts';
import { readDocument } from '../read-document.ts';
import { forgetDeployment } from '../service-draft.ts';
import type { ActionContext, ActionOf } from './action-context.ts';

/** Forgets a deleted service with all that belongs to it. The count of its revisions stays, so that no number comes twice. */
export async function removeService(context: ActionContext, action: ActionOf<'removeService'>): Promise<boolean> {
  const { store, term, actor } = context;
  const { keys } = store;
  const { service } = action;
  const { value, expectation } = await readDocument<Service>(store, keys.services, service);
  if (value === null) {
    await commit(store, 'forget a service', { term, expect: [], write: [], events: [] });
    return true;
  }
  const [instances, revisions, deployments] = await store.ask('read a service', (redis) =>
    Promise.all([
      redis.scard(keys.instancesOfService(service)),
      redis.hvals(keys.revisions(service)),
      redis.zrange(keys.deploymentsOf(service), '0', '-1'),
    ]),
  );
  // Instances are made only for services that are not deleted, so that none can come after this look.
  if (!value.deleted || instances > 0) return false;

  const write: Write[] = [
    ['HDEL', keys.services, service],
    ['DEL', keys.revisions(service), keys.slots(service), keys.reported(service), keys.instancesOfService(service)],
  ];
  for (const id of deployments) forgetDeployment(store, write, service, id);
  const releaseArtifacts = revisions
    .map((text) => JSON.parse(text) as Revision)
    .flatMap(({ artifact, revision }) =>
      artifact === null ? [] : [{ digest: artifact, user: `${service}@${revision}` }],
    );
  const { committed } = await commit(store, 'forget a service', {
    term,
    expect: [expectation],
    write,
    releaseArtifacts,
    events: [{ type: 'service.removed', actor, reason: '', service, data: {} }],
    wake: { kind: 'desired' },
  });
  return committed;
}
