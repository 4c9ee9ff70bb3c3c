import assert from 'node:assert/strict';
import { join } from 'node:path';

import { createServicesAccess } from '../../../controller/services-access.ts';
import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { layOutExample, type RunningExample, runExample } from '../run-example.ts';

const prefix = 'cloudphone';

/** What the services of the platform stand on: a Redis with the rights that controllers give to services, and no more. */
export interface Ground {
  readonly redis: TestRedis;
  /** Of what the services share. */
  readonly prefix: string;
  /** Where the platform lies, as an agent would have laid it. */
  readonly directory: string;
  /** Starts an instance of a service, as on a host of that name. */
  run(
    service: string,
    host: string,
    environment?: Readonly<Record<string, string>>,
    slot?: number,
  ): Promise<RunningExample>;
}

export async function openGround(t: Lifetime): Promise<Ground> {
  const redis = await startRedis(t);
  const directory = layOutExample(t, 'cloudphone');
  await seedBoot(redis.client(), prefix);
  const access = createServicesAccess({
    ...{ redisUrl: redis.url, servicesRedisUrl: undefined, prefix, redisPassword: 'secret' },
    ...{ apiToken: 'unused', logger: silentLogger },
  });
  await access.grant(redis.client());
  const { redisUrl } = access.coordination;
  assert.ok(redisUrl);
  return {
    ...{ redis, prefix, directory },
    run: (service, host, environment = {}, slot = 0) =>
      runExample(
        t,
        join(directory, service, 'main.ts'),
        {
          DROVER_COORDINATION_URL: redisUrl,
          DROVER_COORDINATION_PREFIX: prefix,
          DROVER_SERVICE: service,
          DROVER_NODE: host,
          DROVER_SLOT: String(slot),
          DROVER_REVISION: '1',
          DROVER_INSTANCE_ID: `${service}-${host}-${slot}`,
          ...environment,
        },
        { path: '/health' },
      ),
  };
}
