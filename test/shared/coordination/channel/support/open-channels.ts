import { type Channels, createChannels } from '../../../../../shared/coordination/channel/create-channels.ts';
import { type OpenCoordination, openCoordination } from '../../../../../shared/coordination/open-coordination.ts';
import type { Lifetime } from '../../../../support/lifetime.ts';

/** One participant, closed with the test. */
export async function openChannels(
  t: Lifetime,
  url: string,
  identity = 'host-a/1',
): Promise<Channels & { coordination: OpenCoordination }> {
  const coordination = openCoordination({ url, identity });
  const channels = createChannels(coordination);
  t.after(async () => {
    await channels.close();
    await coordination.close();
  });
  await coordination.ready();
  return { ...channels, coordination };
}
