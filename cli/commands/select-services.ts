import type { Client } from '../../sdk/client/create-client.ts';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { nearestName } from '../../shared/contracts/ecosystem/nearest-name.ts';
import type { ServiceView } from '../../shared/contracts/operations.ts';

/**
 * The services that a command names, "all" being every one. All names are checked before the first service is touched.
 * @throws DroverError SERVICE_NOT_FOUND with the name that may have been meant.
 */
export async function selectServices(client: Client, names: readonly string[]): Promise<ServiceView[]> {
  const known = (await client.listServices()).filter(({ deleted }) => !deleted);
  if (names.includes('all') && !known.some(({ name }) => name === 'all')) return known;
  return [...new Set(names)].map((name) => {
    const found = known.find((service) => service.name === name);
    if (found !== undefined) return found;
    const all = known.map((service) => service.name);
    const nearest = nearestName(name, all);
    const hint =
      nearest !== undefined ? `; did you mean ${nearest}?` : all.length > 0 ? `; there are ${all.join(', ')}` : '';
    throw new DroverError('SERVICE_NOT_FOUND', `There is no service "${name}"${hint}`, { details: { name } });
  });
}
