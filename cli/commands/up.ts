import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { defineCommand } from '../command.ts';
import { saveCluster } from '../connection/config-file.ts';
import { configPath } from '../connection/resolve-connection.ts';
import { flag, portRange, text } from '../option-types.ts';
import { reachableAddress } from './reachable-address.ts';
import { untilAborted } from './until-aborted.ts';

/** The name under which the command line remembers what it started. */
const clusterName = 'local';

export const up = defineCommand({
  name: 'up',
  summary: 'Run a whole cluster on this host, in the foreground: Redis, a controller, and an agent with a router',
  details:
    'Other hosts may join it when --listen is an address they reach. The commands of this user then speak to it. Ctrl-C stops everything; with --keep, workers and router go on until the next "drover up".',
  arguments: {},
  options: {
    data: { flags: '--data <directory>', summary: 'Where everything is kept (default ~/.drover/up)', schema: text },
    listen: {
      flags: '--listen <host:port>',
      summary: 'Where the controller listens (default 127.0.0.1:7700)',
      schema: text,
    },
    router: {
      flags: '--router <host:port>',
      summary: 'Where the router listens (default 127.0.0.1:8080)',
      schema: text,
    },
    address: { flags: '--address <host>', summary: 'Address of the workers (default 127.0.0.1)', schema: text },
    ports: {
      flags: '--ports <from-to>',
      summary: 'Ports for workers (default 20000-20999)',
      schema: portRange.optional(),
    },
    redisUrl: {
      flags: '--redis-url <url>',
      summary: 'Use this Redis, not a private one (DROVER_REDIS_URL)',
      schema: text,
    },
    keep: { flags: '--keep', summary: 'Leave workers and router running at the end', schema: flag },
  },
  examples: [
    { command: 'drover up', means: 'a cluster of one host' },
    { command: 'drover up --listen 10.0.0.5:7700 --address 10.0.0.5', means: 'one that other hosts can join' },
  ],
  exitCodes: [0, 1, 6, 7],
  async run({ options, context }) {
    const { signal, environment, home, output, directory, stderr } = context;
    const data = options.data === undefined ? join(home, '.drover/up') : resolve(directory, options.data);
    await mkdir(data, { recursive: true, mode: 0o700 });
    const [{ startPrivateServer }, { startController }, { runAgent }, { stopEverything }, { createLogger }] =
      await Promise.all([
        import('../../shared/redis/private-server.ts'),
        import('../../controller/run-controller.ts'),
        import('../../agent/run-agent.ts'),
        import('../../agent/stop-everything.ts'),
        import('../../shared/runtime/logger.ts'),
      ]);
    const { createClient } = await import('../../sdk/client/create-client.ts');
    const logger = createLogger({ stream: stderr, level: 'warn' });
    const agentData = join(data, 'agent');
    const closers: (() => unknown)[] = [];
    try {
      let redisUrl = options.redisUrl ?? environment.DROVER_REDIS_URL;
      if (!redisUrl) {
        const address = reachableAddress(options.listen, options.address);
        const server = await startPrivateServer({
          directory: join(data, 'redis'),
          ...(address === undefined ? {} : { address }),
        });
        closers.push(() => server.close());
        output.line(`redis       ${address ?? '127.0.0.1'}:${server.port}, data in ${join(data, 'redis')}`);
        redisUrl = server.url;
      }
      const controller = await startController(
        {
          data: join(data, 'controller'),
          redisUrl,
          ...(options.listen === undefined ? {} : { listen: options.listen }),
          ...(environment.DROVER_SERVICES_REDIS_URL ? { servicesRedisUrl: environment.DROVER_SERVICES_REDIS_URL } : {}),
        },
        { logger, signal },
      );
      closers.push(() => controller.close());
      output.line(`controller  ${controller.url}`);
      const ca = await readFile(controller.caFile, 'utf8');
      const token = (await readFile(join(data, 'controller', 'admin-token'), 'utf8')).trim();
      await saveCluster(configPath(context), clusterName, { urls: [controller.url], token, ca });

      const client = createClient({ urls: [controller.url], token, ca, signal });
      closers.push(() => client.close());
      const joined = await readFile(join(agentData, 'identity.json')).then(
        () => true,
        () => false,
      );
      const made = joined ? undefined : await client.createJoinToken({ body: { ttlMs: 60_000, uses: 1 } });
      const stopAgent = new AbortController();
      const agent = runAgent(
        {
          dataDirectory: agentData,
          address: options.address ?? '127.0.0.1',
          router: options.router ?? '127.0.0.1:8080',
          logLevel: 'warn',
          ...(options.ports === undefined ? {} : { ports: options.ports }),
          environment: Object.fromEntries(
            Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
          ),
          join: { controllerUrl: controller.url, ...(made === undefined ? {} : { token: made.token }) },
        },
        stopAgent.signal,
        stderr,
      );
      closers.push(async () => {
        stopAgent.abort();
        await agent.catch(() => undefined);
        if (!options.keep) await stopEverything(agentData);
      });
      output.line(`router      http://${options.router ?? '127.0.0.1:8080'}`);
      output.line('\nThe cluster is up. In another terminal: drover deploy. Ctrl-C stops it.');
      await Promise.race([untilAborted(signal), agent]);
      return 0;
    } finally {
      output.line('\nstopping…');
      for (const close of closers.reverse()) await close();
    }
  },
});
