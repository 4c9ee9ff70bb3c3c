import { cronOperations } from '../../shared/contracts/coordination/cron-operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { cronArgument } from './cron-argument.ts';

export const cronPause = defineCommand({
  name: 'cron pause',
  summary: cronOperations.pauseCron.summary,
  arguments: cronArgument,
  options: {},
  examples: [{ command: 'drover cron pause cancel-expired-orders', means: 'on all hosts, also those that join later' }],
  exitCodes: requestExitCodes,
  async run({ args, context }) {
    const client = await context.client();
    const cron = await client.pauseCron({ params: { name: args.name } });
    if (context.output.json) context.output.object(cron);
    else context.output.line(`${args.name} is paused: no further run begins until "drover cron resume"`);
    return 0;
  },
});
