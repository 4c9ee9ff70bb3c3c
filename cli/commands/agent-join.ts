import { join } from 'node:path';
import { z } from 'zod';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { defineCommand } from '../command.ts';
import { readSecret } from '../connection/read-secret.ts';
import { keyValues, portRange, text } from '../option-types.ts';

export const agentJoin = defineCommand({
  name: 'agent join',
  summary: 'Join this host to a cluster if it has not joined yet, and run its agent, in the foreground',
  details:
    'The token names the certificate authority of the cluster: a controller with another one is refused. Workers go on when the agent ends, and a new agent on the same data directory takes them over.',
  arguments: {
    controller: {
      form: '[controller]',
      summary: 'URL of any controller; once the host has joined, only needed when all have new addresses',
      schema: z.url({ protocol: /^https$/, error: 'must be a url such as https://ctl-1:7700' }).optional(),
    },
  },
  options: {
    tokenFile: {
      flags: '--token-file <file>',
      summary: 'File with the join token, "-" for standard input',
      schema: text,
    },
    token: {
      flags: '--token <token>',
      summary: 'The join token itself; others on this host can see it, so prefer the file',
      schema: text,
    },
    data: {
      flags: '--data <directory>',
      summary: 'Identity, plan, bundles, artifacts and logs (default ~/.drover/agent)',
      schema: text,
    },
    name: { flags: '--name <name>', summary: 'Name of the node (default: the host name)', schema: text },
    address: {
      flags: '--address <host>',
      summary: 'Where routers reach its workers (default: the first address that is not loopback)',
      schema: text,
    },
    ports: {
      flags: '--ports <from-to>',
      summary: 'Ports for workers (default 20000-20999)',
      schema: portRange.optional(),
    },
    router: { flags: '--router <host:port>', summary: 'Run a router that listens here', schema: text },
    ineligible: {
      flags: '--ineligible',
      summary: 'Join as a host that gets no instances, for a router of its own',
      schema: z.boolean().default(false),
    },
    label: {
      flags: '--label <key=value>',
      summary: 'Label for placement constraints',
      schema: keyValues.optional(),
      repeatable: true,
    },
  },
  examples: [
    { command: 'drover agent join https://ctl-1:7700 --token-file /etc/drover/join-token', means: 'join and run' },
    { command: 'drover agent join', means: 'run again on a host that has joined' },
  ],
  exitCodes: [0, 1, 6, 7],
  async run({ args, options, context }) {
    const { signal, environment, home, output, stderr } = context;
    if (options.token !== undefined) {
      output.note('warning --token can be seen by everyone on this host (ps); prefer --token-file');
    }
    const { hasJoined, runAgent } = await import('../../agent/run-agent.ts');
    const dataDirectory = options.data ?? join(home, '.drover/agent');
    let token = options.token;
    if (options.tokenFile !== undefined) {
      try {
        token = await readSecret(options.tokenFile, '--token-file', context);
      } catch (error) {
        // The file is needed once: a unit that names it goes on working when an operator has removed it.
        if (!hasJoined(dataDirectory)) throw error;
        output.note(`note ${options.tokenFile} cannot be read; this host has joined already and does not need it`);
      }
    }
    const mustJoin = token !== undefined || (args.controller !== undefined && !hasJoined(dataDirectory));
    if (mustJoin && (token === undefined || args.controller === undefined)) {
      throw new DroverError('ARGUMENT_INVALID', 'To join, give both the url of a controller and --token-file', {
        issues: [{ path: token === undefined ? '--token-file' : 'controller', reason: 'is missing' }],
      });
    }
    await runAgent(
      {
        dataDirectory,
        environment: definedOnly(environment),
        ...(args.controller === undefined
          ? {}
          : { join: { controllerUrl: args.controller, ...(token === undefined ? {} : { token }) } }),
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.address === undefined ? {} : { address: options.address }),
        ...(options.ports === undefined ? {} : { ports: options.ports }),
        ...(options.router === undefined ? {} : { router: options.router }),
        ineligible: options.ineligible,
        ...(options.label === undefined ? {} : { labels: options.label }),
      },
      signal,
      stderr,
    );
    return 0;
  },
});

function definedOnly(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
