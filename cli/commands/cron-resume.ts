import { cronOperations } from '../../shared/contracts/coordination/cron-operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { cronArgument } from './cron-argument.ts';

export const cronResume = defineCommand({
  name: 'cron resume',
  summary: cronOperations.resumeCron.summary,
  arguments: cronArgument,
  options: {},
  examples: [
    { command: 'drover cron resume cancel-expired-orders', means: 'what was due meanwhile is not made up for' },
  ],
  exitCodes: requestExitCodes,
  async run({ args, context }) {
    const client = await context.client();
    const cron = await client.resumeCron({ params: { name: args.name } });
    if (context.output.json) context.output.object(cron);
    else context.output.line(`${args.name} runs again, from its next tick on`);
    return 0;
  },
});
