import { join } from 'node:path';
import { seedBoot } from '../../shared/coordination/lease/seed-boot.ts';
import { connectRedis } from '../../shared/redis/connect.ts';
import { freePort } from '../../shared/runtime/free-port.ts';
import { type Agreement, agreements, layOutPlatform } from './lay-out-platform.ts';
import type { Databases } from './open-databases.ts';
import type { Addresses } from './requests.ts';
import { startService } from './service-process.ts';
import { startRouter } from './start-router.ts';

export interface StackOptions {
  readonly directory: string;
  readonly redisUrl: string;
  readonly databases: Databases;
  readonly closers: (() => Promise<void>)[];
}

export interface Stack extends Addresses {
  /** Where services listen themselves. */
  readonly direct: Readonly<Record<'billing' | 'notifications' | 'devices', string>>;
}

const services = ['user-service', 'device-service', 'billing-service', 'notification-service', 'api-gateway'] as const;
/** Phones end by themselves soon after the service that looks after them. */
const deviceOrphanMs = 5_000;
/** Below those that the kernel gives to outgoing connections. */
const firstPoolPort = 20_000;
const portsOfAPool = 400;

/**
 * One instance of each service, side by side with other stacks, behind a router of its own: requests go as they do in a
 * cluster, through router and gateway, and through the router again.
 */
export async function startStack(agreement: Agreement, options: StackOptions): Promise<Stack> {
  const { directory, redisUrl, databases, closers } = options;
  const platform = await layOutPlatform(directory, agreement);
  const prefix = `bench-${agreement}`;
  await seed(redisUrl, prefix);
  const routed = await Promise.all(
    services.map(async (name) => ({ name, routePort: await freePort(), port: await freePort() })),
  );
  const routeOf = (name: (typeof services)[number]) => routed.find((service) => service.name === name)!;
  closers.push(await startRouter(join(directory, `r-${agreement}`), routed));
  const urls = routed.map(({ name, routePort }) => `${name}=http://127.0.0.1:${routePort}`).join(',');
  const firstPort = firstPoolPort + agreements.indexOf(agreement) * 3 * portsOfAPool;
  const pool = (at: number) => `${firstPort + at * portsOfAPool}-${firstPort + (at + 1) * portsOfAPool - 1}`;
  const own: Partial<Record<(typeof services)[number], Readonly<Record<string, string>>>> = {
    'device-service': {
      ...{ DEVICE_DIR: join(directory, `d-${agreement}`), DEVICE_ORPHAN_MS: String(deviceOrphanMs) },
      ...{ ADB_PORTS: pool(0), WEBRTC_PORTS: pool(1), SCRCPY_PORTS: pool(2) },
    },
    // Nobody is refused, and nobody is so near to the limit as to wait for the count: as it is for nearly all users.
    'api-gateway': { RATE_LIMIT: '100000000' },
  };
  for (const { name, port } of routed) {
    const service = await startService(join(platform, name, 'main.ts'), {
      ...{ PORT: String(port), DROVER_COORDINATION_URL: redisUrl, DROVER_COORDINATION_PREFIX: prefix },
      ...{ DROVER_SERVICE: name, DROVER_NODE: agreement, DROVER_INSTANCE_ID: `${name}-0`, DROVER_SERVICE_URLS: urls },
      DATABASE_URL: await databases.urlOf(`bench_${agreement}_${name.split('-')[0]}`),
      ...own[name],
    });
    closers.push(service.end);
  }
  const routeUrl = (name: (typeof services)[number]) => `http://127.0.0.1:${routeOf(name).routePort}`;
  const directUrl = (name: (typeof services)[number]) => `http://127.0.0.1:${routeOf(name).port}`;
  return {
    gateway: routeUrl('api-gateway'),
    billing: routeUrl('billing-service'),
    direct: {
      billing: directUrl('billing-service'),
      notifications: directUrl('notification-service'),
      devices: directUrl('device-service'),
    },
  };
}

/** A Redis that has never held data has nothing to wait for. */
async function seed(url: string, prefix: string): Promise<void> {
  const connection = connectRedis(url, 'coord');
  await connection.ready();
  await seedBoot(connection.client, prefix);
  await connection.close();
}
