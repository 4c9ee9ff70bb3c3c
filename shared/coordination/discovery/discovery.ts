import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { answerWithin } from '../lease/hold.ts';
import { type AddressBook, discoveryKeys, findUrls, readAddressBook } from './address-book.ts';

/** Another service of the cluster, by its name. */
export interface ServiceAddress {
  readonly name: string;
  /**
   * Base URL, without a slash at the end: that of the router on this host, else that of another. Answers from memory but
   * for the first time; ask for each request rather than keep it.
   * @throws DroverError SERVICE_NOT_FOUND when there is no such service with a route, STORE_UNREACHABLE when nothing is known yet
   */
  url(): Promise<string>;
  /** All base URLs, the nearest first: for who wants to try the next one when a router is away. Throws as `url` does. */
  urls(): Promise<readonly string[]>;
}

export interface Discovery {
  service(name: string): ServiceAddress;
  close(): void;
}

export interface DiscoveryOptions {
  /** Name of the node of this process. */
  readonly host: string;
  /** Base URLs by service that go before all that is found: for a process outside of a cluster. */
  readonly given?: ReadonlyMap<string, string>;
}

/** A server that answers does so in milliseconds. */
const answerMs = 2_000;
const retryMs = 500;
/** While a message cannot be heard, or was lost with another server, what is known is looked at again after this long. */
const lookAgainMs = 30_000;

/**
 * Finds services through the routers of the cluster, which know the instances and send nobody to one that leaves. What
 * was read once stays in use while Redis is away.
 */
export function createDiscovery(coordination: Coordination, { host, given = new Map() }: DiscoveryOptions): Discovery {
  const { redis, wakeUps, prefix, clock, logger, signal } = coordination;
  const keys = discoveryKeys(prefix);
  let known: { readonly book: AddressBook | null; readonly readAtMs: number } | undefined;
  let reading: Promise<void> | undefined;
  let isStale = false;
  let listening: { close(): void } | undefined;
  let cancelRetry = () => {};
  let isClosed = false;

  /** One at a time; a change during a look causes another, so that the last word is what is kept. */
  async function read(): Promise<void> {
    do {
      isStale = false;
      const book = await answerWithin(readAddressBook(redis, prefix), answerMs, clock, signal);
      known = { book, readAtMs: clock.monotonicMs() };
    } while (isStale);
  }
  function look(): Promise<void> {
    isStale = true;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  }
  /** What changed meanwhile was not heard, so without an answer it is asked again. */
  function lookQuietly(): void {
    cancelRetry();
    look().catch((error) => {
      logger.debug('Addresses of services could not be read', { error });
      if (!signal.aborted && !isClosed) cancelRetry = clock.schedule(retryMs, lookQuietly);
    });
  }

  async function current(): Promise<AddressBook | null> {
    listening ??= wakeUps.listen(keys.wakeChannel, lookQuietly);
    if (known !== undefined) {
      if (clock.monotonicMs() - known.readAtMs > lookAgainMs && reading === undefined) lookQuietly();
      return known.book;
    }
    try {
      await look();
    } catch (cause) {
      throw new DroverError('STORE_UNREACHABLE', 'Redis did not say where services are, and nothing is known yet', {
        cause,
      });
    }
    return (known as { readonly book: AddressBook | null } | undefined)?.book ?? null;
  }

  async function urlsOf(name: string): Promise<readonly string[]> {
    const url = given.get(name);
    if (url !== undefined) return [url];
    const book = await current();
    const urls = book === null ? [] : findUrls(book, name, host);
    if (urls.length > 0) return urls;
    const names = Object.keys(book?.services ?? {}).sort();
    const reason = !names.includes(name)
      ? `No service ${name} with a route is known; known are: ${names.join(', ') || 'none'}`
      : `No router that this host can reach has the route of ${name}`;
    throw new DroverError('SERVICE_NOT_FOUND', reason);
  }

  return {
    service: (name) => ({
      name,
      async url() {
        const [nearest] = await urlsOf(name);
        return nearest as string;
      },
      urls: () => urlsOf(name),
    }),
    close() {
      isClosed = true;
      cancelRetry();
      listening?.close();
    },
  };
}
