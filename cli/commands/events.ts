import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { flag, text, wholeNumber } from '../option-types.ts';

export const events = defineCommand({
  name: 'events',
  summary: operations.getEvents.summary,
  arguments: {},
  options: {
    follow: { flags: '-f, --follow', summary: 'Go on printing what comes, until Ctrl-C', schema: flag },
    service: { flags: '--service <name>', summary: 'Only of this service', schema: text },
    deployment: { flags: '--deployment <id>', summary: 'Only of this deployment', schema: text },
    after: { flags: '--after <id>', summary: 'Only what came after this event', schema: text },
    limit: {
      flags: '--limit <n>',
      summary: 'How many past events (default 100)',
      schema: wholeNumber(1, 10_000).optional(),
    },
  },
  examples: [
    { command: 'drover events -f', means: 'what happens, as it happens' },
    { command: 'drover events --service api --json', means: 'the past of one service, one object per line' },
  ],
  exitCodes: requestExitCodes,
  async run({ options, context }) {
    const { output } = context;
    const { bold, dim } = output.colors;
    const client = await context.client();
    const { follow, service, deployment, after, limit } = options;
    const stream = client.getEvents(
      {
        query: {
          follow: follow ? 'true' : 'false',
          ...(service === undefined ? {} : { service }),
          ...(deployment === undefined ? {} : { deployment }),
          ...(after === undefined ? {} : { after }),
          ...(limit === undefined ? {} : { limit }),
        },
      },
      { onReconnect: (error) => output.note(dim(`(stream lost: ${error.message}; connecting again)`)) },
    );
    for await (const event of stream) {
      if (output.json) {
        output.object(event);
        continue;
      }
      const about = [event.service, event.instanceId, event.nodeId, event.deploymentId].filter(
        (part) => part !== undefined,
      );
      const time = dim(new Date(event.at).toISOString());
      output.line(`${time} ${bold(event.type)} ${about.join(' ')} ${event.reason} ${dim(`(${event.actor})`)}`);
    }
    return 0;
  },
});
