import { z } from 'zod';
import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';

export const tokenRevoke = defineCommand({
  name: 'token revoke',
  summary: operations.revokeJoinToken.summary,
  details: 'Hosts that have joined with it stay.',
  arguments: { id: { form: '<id>', summary: 'Id of the token, as "drover token ls" shows it', schema: z.string() } },
  options: {},
  examples: [{ command: 'drover token revoke k3v9x2ab', means: 'no further host can join with it' }],
  exitCodes: requestExitCodes,
  async run({ args, context }) {
    const client = await context.client();
    await client.revokeJoinToken({ params: { id: args.id } });
    if (context.output.json) context.output.object({ id: args.id, revoked: true });
    else context.output.line(`Token ${args.id} is revoked`);
    return 0;
  },
});
