import { randomUUID } from 'node:crypto';
import { glob, rm } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import type { LocalPlatform } from '../../scripts/verify/start-platform.ts';
import { accessKeyId, startSignedS3 } from '../examples/cloudphone/signed-s3.ts';
import type { Lifetime } from '../support/lifetime.ts';
import { startPostgres } from '../support/postgres.ts';
import { tempDirectory } from '../support/temp-directory.ts';
import { openCloudphone } from './open-cloudphone.ts';

export const productionFile = 'ecosystem.config.production.js';

/** What only those who need it may know, by the variable that it is in. */
export const secrets = {
  DATABASE_URL: `database-${randomUUID()}`,
  TOKEN_SECRET: `token-${randomUUID()}`,
  PAYMENT_SECRET: `payment-${randomUUID()}`,
  AWS_SECRET_ACCESS_KEY: `store-${randomUUID()}`,
} as const;

export interface Production {
  readonly platform: LocalPlatform;
  /** The environment of who has deployed it. */
  readonly deployer: Readonly<Record<string, string>>;
  /** Where the objects of S3 are. */
  readonly bucket: string;
}

/** The platform by its production file as it is, on three hosts, with PostgreSQL and a server that speaks S3. */
export async function openProduction(t: TestContext): Promise<Production> {
  const ground = { deployer: {}, bucket: '' };
  const prepare = async (lifetime: Lifetime) => {
    ground.bucket = tempDirectory(lifetime);
    ground.deployer = await startStores(lifetime, ground.bucket);
    return ground.deployer;
  };
  return { platform: await openCloudphone(t, prepare, productionFile), ...ground };
}

/** Answers with what the services find them by. */
async function startStores(lifetime: Lifetime, bucket: string): Promise<Record<string, string>> {
  let close = async () => {};
  lifetime.after(() => close());
  const postgres = await startPostgres(lifetime);
  const { host, port, user, database } = postgres.config;
  close = async () => {
    const client = await postgres.client();
    // There is none of a platform that did not start.
    const { rows } = await client.query('SELECT id FROM device_platform').catch(() => ({ rows: [] }));
    // Where the file says nothing, the sockets of devices are at a place of the machine.
    for (const { id } of rows) {
      for await (const left of glob(`/tmp/cloudphone-devices/${id}-*`)) await rm(left, { recursive: true });
    }
  };
  return {
    ...secrets,
    DATABASE_URL: `postgres://${user}:${secrets.DATABASE_URL}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`,
    // Old and new instances of four services share the forty connections that it has.
    DATABASE_POOL_SIZE: '2',
    STORE: (await startSignedS3(lifetime, bucket, secrets.AWS_SECRET_ACCESS_KEY)).store,
    AWS_ACCESS_KEY_ID: accessKeyId,
  };
}
