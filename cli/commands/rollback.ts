import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { rolloutExitCodes } from '../exit-codes.ts';
import { followChange } from '../follow/follow-change.ts';
import { followOptions, wholeNumber } from '../option-types.ts';
import { serviceArgument } from './deploy-options.ts';
import { selectServices } from './select-services.ts';

export const rollback = defineCommand({
  name: 'rollback',
  summary: `${operations.rollbackService.summary}, and follow the rollout`,
  arguments: serviceArgument,
  options: {
    to: {
      flags: '--to <revision>',
      summary: 'Which revision (default: the last one before this that was deployed with success)',
      schema: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
    },
    ...followOptions,
  },
  examples: [
    { command: 'drover rollback api', means: 'back to what ran before' },
    { command: 'drover rollback api --to 12', means: 'to revision 12; "drover describe api" lists them' },
  ],
  exitCodes: rolloutExitCodes,
  async run({ args, options, context }) {
    const client = await context.client();
    const [service] = await selectServices(client, [args.service]);
    const accepted = await client.rollbackService({
      params: { name: service!.name },
      body: options.to === undefined ? {} : { to: options.to },
    });
    return followChange(context, accepted, options);
  },
});
