import { join } from 'node:path';
import { seedBoot } from '../../shared/coordination/lease/seed-boot.ts';
import { connectRedis } from '../../shared/redis/connect.ts';
import { freePort } from '../../shared/runtime/free-port.ts';
import { type Agreement, layOutPlatform } from './lay-out-platform.ts';
import type { Databases } from './open-databases.ts';
import type { Addresses } from './requests.ts';
import { startService } from './service-process.ts';

export interface StackOptions {
  readonly directory: string;
  readonly redisUrl: string;
  readonly databases: Databases;
  readonly closers: (() => Promise<void>)[];
}

export interface Stack extends Addresses {
  readonly notifications: string;
  readonly devices: string;
}

const services = ['user', 'device', 'billing', 'notification'] as const;
/** Phones end by themselves soon after the service that looks after them. */
const deviceOrphanMs = 5_000;
const portsOfAPool = 400;

/**
 * One instance of each service, side by side with other stacks and with nothing between them: no router, no agent. What
 * is measured on them is less than what users wait for, and the share of coordination in it is more.
 */
export async function startStack(agreement: Agreement, options: StackOptions): Promise<Stack> {
  const { directory, redisUrl, databases, closers } = options;
  const platform = await layOutPlatform(directory, agreement);
  const prefix = `bench-${agreement}`;
  await seed(redisUrl, prefix);
  const ports = Object.fromEntries(await Promise.all(services.map(async (name) => [name, await freePort()] as const)));
  const urls = services.map((name) => `${name}-service=http://127.0.0.1:${ports[name]}`).join(',');
  const start = async (name: string, env: Readonly<Record<string, string>>) => {
    const service = await startService(join(platform, name, 'main.ts'), {
      ...{ DROVER_COORDINATION_URL: redisUrl, DROVER_COORDINATION_PREFIX: prefix, DROVER_SERVICE: name },
      ...{ DROVER_NODE: agreement, DROVER_INSTANCE_ID: `${name}-0`, DROVER_SERVICE_URLS: urls },
      DATABASE_URL: await databases.urlOf(`bench_${agreement}_${name.split('-')[0]}`),
      ...env,
    });
    closers.push(service.end);
    return service.url;
  };
  const firstPort = agreement === 'sdk' ? 20_000 : 20_000 + 3 * portsOfAPool;
  const pool = (at: number) => `${firstPort + at * portsOfAPool}-${firstPort + (at + 1) * portsOfAPool - 1}`;
  const devices = {
    DEVICE_DIR: join(directory, `d-${agreement}`),
    DEVICE_ORPHAN_MS: String(deviceOrphanMs),
    ...{ ADB_PORTS: pool(0), WEBRTC_PORTS: pool(1), SCRCPY_PORTS: pool(2) },
  };
  for (const name of services) {
    await start(`${name}-service`, { PORT: String(ports[name]), ...(name === 'device' ? devices : {}) });
  }
  const urlOf = (name: (typeof services)[number]) => `http://127.0.0.1:${ports[name]}`;
  return {
    gateway: await start('api-gateway', { RATE_LIMIT: '100000000' }),
    ...{ billing: urlOf('billing'), notifications: urlOf('notification'), devices: urlOf('device') },
  };
}

/** A Redis that has never held data has nothing to wait for. */
async function seed(url: string, prefix: string): Promise<void> {
  const connection = connectRedis(url, 'coord');
  await connection.ready();
  await seedBoot(connection.client, prefix);
  await connection.close();
}
