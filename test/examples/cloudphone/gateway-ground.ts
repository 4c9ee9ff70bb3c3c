import type { Lifetime } from '../../support/lifetime.ts';
import type { RunningExample } from '../run-example.ts';
import { type ObservedService, startObservedService } from './observed-service.ts';
import { openUserGround, type UserGround } from './user-ground.ts';

export interface GatewayGround extends UserGround {
  /** By name: all services but user-service, which is the real one. */
  readonly services: Readonly<Record<string, ObservedService>>;
  readonly userService: RunningExample;
  /** Starts an instance of api-gateway. `elsewhere`: URLs of services that are not to be observed. */
  gateway(
    host: string,
    environment?: Readonly<Record<string, string>>,
    elsewhere?: Readonly<Record<string, string>>,
  ): Promise<RunningExample>;
}

const observed = ['device-service', 'app-service', 'billing-service', 'notification-service'];

export async function openGatewayGround(t: Lifetime): Promise<GatewayGround> {
  const ground = await openUserGround(t);
  const entries = await Promise.all(observed.map(async (name) => [name, await startObservedService(t, name)] as const));
  const services = Object.fromEntries(entries);
  const userService = await ground.users('host-1');
  const urls = {
    'user-service': userService.url,
    ...Object.fromEntries(entries.map(([name, { url }]) => [name, url])),
  };
  return {
    ...ground,
    services,
    userService,
    gateway: (host, environment = {}, elsewhere = {}) =>
      ground.run('api-gateway', host, {
        DROVER_SERVICE_URLS: Object.entries({ ...urls, ...elsewhere })
          .map(([name, url]) => `${name}=${url}`)
          .join(),
        ...environment,
      }),
  };
}
