import { cronOperations } from '../../shared/contracts/coordination/cron-operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { cronArgument } from './cron-argument.ts';

export const cronRun = defineCommand({
  name: 'cron run',
  summary: cronOperations.triggerCron.summary,
  arguments: cronArgument,
  options: {},
  examples: [{ command: 'drover cron run cancel-expired-orders', means: 'now, besides its schedule' }],
  exitCodes: requestExitCodes,
  async run({ args, context }) {
    const client = await context.client();
    const { runId } = await client.triggerCron({ params: { name: args.name } });
    if (context.output.json) context.output.object({ runId });
    else context.output.line(`${runId} is asked for; "drover cron history ${args.name}" shows how it went`);
    return 0;
  },
});
