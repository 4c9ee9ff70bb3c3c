import { z } from 'zod';
import { lockOperations } from '../../shared/contracts/coordination/lock-operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { wholeNumber } from '../option-types.ts';

export const lockBreak = defineCommand({
  name: 'lock break',
  summary: lockOperations.breakLock.summary,
  details:
    'Only the holder with this token is put out: should another have the lock by now, nothing happens. The work that the lock protected may go on until the holder notices, at its next renewal; what checks the token refuses it at once.',
  arguments: {
    name: { form: '<name>', summary: 'Name of the lock', schema: z.string() },
    token: {
      form: '<token>',
      summary: 'Token of its holder, as "drover lock ls" shows it',
      schema: wholeNumber(1, Number.MAX_SAFE_INTEGER),
    },
  },
  options: {},
  examples: [{ command: 'drover lock break order:42 1763730000000000', means: 'the next in line gets it' }],
  exitCodes: requestExitCodes,
  async run({ args, context }) {
    const client = await context.client();
    await client.breakLock({ params: { name: args.name }, query: { token: args.token } });
    if (context.output.json) context.output.object({ name: args.name, token: args.token, broken: true });
    else context.output.line(`${args.name} is no longer held under token ${args.token}`);
    return 0;
  },
});
