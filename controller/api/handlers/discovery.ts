import type { discoveryOperations } from '../../../shared/contracts/coordination/discovery-operations.ts';
import { DroverError } from '../../../shared/contracts/drover-error.ts';
import { findUrls, readAddressBook } from '../../../shared/coordination/discovery/address-book.ts';
import type { Handlers } from '../handler.ts';
import { askServices } from './ask-services.ts';
import type { HandlerDeps } from './handler-deps.ts';

type DiscoveryHandlers = Pick<Handlers, keyof typeof discoveryOperations>;

export function createDiscoveryHandlers({ services }: Pick<HandlerDeps, 'services'>): DiscoveryHandlers {
  return {
    async getServiceAddresses({ params: { name }, query: { node } }) {
      const book = await askServices(readAddressBook(services.redis, services.prefix));
      const urls = book === null ? [] : findUrls(book, name, node);
      if (urls.length > 0) return { urls };
      throw new DroverError('SERVICE_NOT_FOUND', `No router that can be reached has a route of a service ${name}`);
    },
  };
}
