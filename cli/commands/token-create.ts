import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { duration, keyValues, wholeNumber } from '../option-types.ts';

export const tokenCreate = defineCommand({
  name: 'token create',
  summary: operations.createJoinToken.summary,
  details:
    'The token is shown once. It names the certificate authority of the cluster, so that a host can refuse a false controller.',
  arguments: {},
  options: {
    ttl: { flags: '--ttl <duration>', summary: 'How long it is valid (default 24h)', schema: duration.optional() },
    uses: {
      flags: '--uses <n>',
      summary: 'How many hosts may join with it (default: any number)',
      schema: wholeNumber(1, 1_000).optional(),
    },
    label: {
      flags: '--label <key=value>',
      summary: 'Label of the nodes that join with it',
      schema: keyValues.optional(),
      repeatable: true,
    },
  },
  examples: [
    { command: 'drover token create', means: 'for all hosts you add today' },
    { command: 'drover token create --ttl 10m --uses 1', means: 'for one host, now' },
  ],
  exitCodes: requestExitCodes,
  async run({ options, context }) {
    const { output } = context;
    const client = await context.client();
    const made = await client.createJoinToken({
      body: {
        ...(options.ttl === undefined ? {} : { ttlMs: options.ttl }),
        ...(options.uses === undefined ? {} : { uses: options.uses }),
        ...(options.label === undefined ? {} : { labels: options.label }),
      },
    });
    if (output.json) {
      output.object(made);
      return 0;
    }
    const { urls } = await context.connection();
    output.line(made.token);
    output.note(
      `\nOn each host, with the token in a file that only root can read:\n  drover agent join ${urls[0]} --token-file <file>`,
    );
    return 0;
  },
});
