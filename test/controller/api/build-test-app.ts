import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { createAuthenticator, hashToken } from '../../../controller/api/authenticate.ts';
import { buildApp } from '../../../controller/api/build-app.ts';
import { createHandlers } from '../../../controller/api/handlers/create-handlers.ts';
import { type EstablishedCluster, establishCluster } from '../../../controller/authority/establish-cluster.ts';
import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { type OpenCoordination, openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { connectRedis } from '../../../shared/redis/connect.ts';
import { createStore } from '../../../shared/redis/store/create-store.ts';
import type { Store } from '../../../shared/redis/store/store.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

export interface TestApp {
  readonly app: FastifyInstance;
  readonly store: Store;
  readonly cluster: EstablishedCluster;
  readonly redis: TestRedis;
  readonly token: string;
  /** What services coordinate through, as the controller opened it. */
  readonly services: OpenCoordination;
  /** The same requests with the token that services have. */
  readonly asService: TestApp['call'];
  /** A JSON request with the admin token. */
  call(
    method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    body?: unknown,
  ): Promise<{ status: number; json: never }>;
}

/** The REST face on a real Redis, without agents; ended with the test. */
export async function buildTestApp(t: Lifetime): Promise<TestApp> {
  const redis = await startRedis(t);
  const commands = connectRedis(redis.url, 'coord');
  const messages = connectRedis(redis.url, 'pubsub');
  await Promise.all([commands.ready(), messages.ready()]);
  const store = await createStore({
    redis: commands.client,
    subscriber: messages.client,
    prefix: 'test',
    logger: silentLogger,
  });
  const data = tempDirectory(t);
  const cluster = await establishCluster(store.cluster, { data, clusterKeyFile: join(data, 'cluster.key') });
  const issued = await cluster.authority.issueServer(['127.0.0.1']);
  const servicesToken = `drvs_${cluster.deriveSecret('services-api')}`;
  const services = openCoordination({ url: redis.url, identity: 'controller-test', prefix: 'test-services' });
  await services.ready();
  await seedBoot(services.redis, 'test-services');
  let ids = 0;
  const app = buildApp({
    handlers: createHandlers({
      store,
      authority: cluster.authority,
      identity: cluster.identity,
      sessions: { readLogs: async () => ({ lines: ['one', 'two'], position: 8, file: '1' }) },
      services,
      leader: async () => null,
      version: '0.0.0-test',
      maxArtifactBytes: 1_048_576,
      newId: (prefix) => {
        ids += 1;
        return `${prefix}-${String(ids).padStart(10, '0')}`;
      },
      newSecret: () => randomBytes(24).toString('hex'),
      nowMs: () => Date.now(),
    }),
    authenticator: createAuthenticator(store, hashToken(servicesToken), () => performance.now()),
    logger: silentLogger,
    version: '0.0.0-test',
    tls: { key: issued.key, cert: issued.certificate, ca: cluster.authority.certificate },
    maxBodyBytes: 1_048_576,
    isReady: () => commands.state === 'ready',
  });
  await app.ready();
  const token = readFileSync(cluster.adminTokenFile as string, 'utf8').trim();
  t.after(async () => {
    await app.close();
    await store.close();
    await Promise.all([commands.close(), messages.close(), services.close()]);
  });
  const callWith =
    (bearer: string): TestApp['call'] =>
    async (method, url, body) => {
      const response = await app.inject({
        method,
        url,
        headers: { authorization: `Bearer ${bearer}` },
        ...(body === undefined ? {} : { payload: body as object }),
      });
      return { status: response.statusCode, json: (response.body === '' ? undefined : response.json()) as never };
    };
  return { app, store, cluster, redis, token, services, call: callWith(token), asService: callWith(servicesToken) };
}
