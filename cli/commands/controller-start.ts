import { join } from 'node:path';

import { DroverError } from '../../shared/contracts/drover-error.ts';
import { defineCommand } from '../command.ts';
import { readSecret } from '../connection/read-secret.ts';
import { text, wholeNumber } from '../option-types.ts';
import { untilAborted } from './until-aborted.ts';

export const controllerStart = defineCommand({
  name: 'controller start',
  summary: 'Run a controller on this host, in the foreground',
  details:
    'All controllers of a cluster share one Redis and one cluster key; one of them leads, each answers. The first one makes the certificate authority and an admin token (admin-token in the data directory, mode 0600).',
  arguments: {},
  options: {
    listen: { flags: '--listen <host:port>', summary: 'Where to listen (default 127.0.0.1:7700)', schema: text },
    advertise: {
      flags: '--advertise <url>',
      summary: 'URL under which agents and other controllers reach it',
      schema: text,
    },
    data: {
      flags: '--data <directory>',
      summary: 'Cluster key, admin token and certificates (default ~/.drover/controller)',
      schema: text,
    },
    redisUrl: {
      flags: '--redis-url <url>',
      summary: 'Redis of the cluster, without a password (default DROVER_REDIS_URL)',
      schema: text,
    },
    redisUrlFile: {
      flags: '--redis-url-file <file>',
      summary: 'File that holds the URL, which may have a password',
      schema: text,
    },
    clusterKeyFile: {
      flags: '--cluster-key-file <file>',
      summary: 'Key that seals the authority in Redis (default cluster.key in the data directory)',
      schema: text,
    },
    keyPrefix: {
      flags: '--key-prefix <prefix>',
      summary: 'Prefix of all keys in Redis (default drover)',
      schema: text,
    },
    servicesRedisUrlFile: {
      flags: '--services-redis-url-file <file>',
      summary:
        'File with the URL of the Redis that services coordinate through (or DROVER_SERVICES_REDIS_URL; default a user of its own on the Redis of the cluster)',
      schema: text,
    },
    servicesKeyPrefix: {
      flags: '--services-key-prefix <prefix>',
      summary: 'Prefix of all keys that services share (default drover-services)',
      schema: text,
    },
    maxArtifactBytes: {
      flags: '--max-artifact-bytes <n>',
      summary: 'Largest artifact accepted (default 134217728, which is 128 MiB)',
      schema: wholeNumber(500, 1_073_741_824).optional(),
    },
    leaseTtlMs: {
      flags: '--lease-ttl-ms <ms>',
      summary: 'How long a leader that fell silent keeps its lease (default 3000)',
      schema: wholeNumber(500, 1_073_741_824).optional(),
    },
  },
  examples: [
    {
      command:
        'drover controller start --listen 0.0.0.0:7700 --advertise https://ctl-1:7700 --redis-url-file /etc/drover/redis-url',
      means: 'one of several controllers',
    },
  ],
  exitCodes: [0, 1, 7],
  async run({ options, context }) {
    const { signal, environment, home, output, stderr } = context;
    const redisUrl =
      options.redisUrl ??
      (options.redisUrlFile === undefined
        ? environment.DROVER_REDIS_URL
        : await readSecret(options.redisUrlFile, '--redis-url-file', context));
    if (!redisUrl) {
      throw new DroverError(
        'ARGUMENT_INVALID',
        'A controller needs a Redis: name it with --redis-url-file, DROVER_REDIS_URL or --redis-url. For one host with a Redis of its own: drover up',
        { issues: [{ path: '--redis-url', reason: 'is required', allowed: 'redis://host:port/0' }] },
      );
    }
    if (options.redisUrl !== undefined && /:\/\/[^/]*:[^@/]+@/.test(options.redisUrl)) {
      output.note(
        'warning --redis-url shows its password in the process list; use --redis-url-file or DROVER_REDIS_URL',
      );
    }
    const servicesRedisUrl =
      options.servicesRedisUrlFile === undefined
        ? environment.DROVER_SERVICES_REDIS_URL || undefined
        : await readSecret(options.servicesRedisUrlFile, '--services-redis-url-file', context);
    const [{ startController }, { armFailpoints }, { keepHeapSmall }, { createLogger }] = await Promise.all([
      import('../../controller/run-controller.ts'),
      import('../../shared/runtime/failpoint.ts'),
      import('../../shared/runtime/keep-heap-small.ts'),
      import('../../shared/runtime/logger.ts'),
    ]);
    armFailpoints(environment.DROVER_FAILPOINTS);
    const controller = await startController(
      {
        data: options.data ?? join(home, '.drover/controller'),
        redisUrl,
        ...(options.listen === undefined ? {} : { listen: options.listen }),
        ...(options.advertise === undefined ? {} : { advertise: options.advertise }),
        ...(options.clusterKeyFile === undefined ? {} : { clusterKeyFile: options.clusterKeyFile }),
        ...(options.keyPrefix === undefined ? {} : { keyPrefix: options.keyPrefix }),
        ...(servicesRedisUrl === undefined ? {} : { servicesRedisUrl }),
        ...(options.servicesKeyPrefix === undefined ? {} : { servicesKeyPrefix: options.servicesKeyPrefix }),
        ...(options.maxArtifactBytes === undefined ? {} : { maxArtifactBytes: options.maxArtifactBytes }),
        ...(options.leaseTtlMs === undefined ? {} : { leaseTtlMs: options.leaseTtlMs }),
      },
      { logger: createLogger({ stream: stderr }), signal },
    );
    keepHeapSmall();
    await untilAborted(signal);
    await controller.close();
    return 0;
  },
});
