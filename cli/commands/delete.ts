import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { followChange } from '../follow/follow-change.ts';
import { followOptions } from '../option-types.ts';
import { servicesArgument } from './deploy-options.ts';
import { selectServices } from './select-services.ts';

export const deleteCommand = defineCommand({
  name: 'delete',
  aliases: ['del'],
  summary: operations.deleteService.summary,
  details: 'Its revisions go too: a deleted service cannot be rolled back.',
  arguments: servicesArgument,
  options: followOptions,
  examples: [{ command: 'drover delete api', means: 'drain, stop and forget it' }],
  exitCodes: [...requestExitCodes, 130],
  async run({ args, options, context }) {
    const client = await context.client();
    for (const { name } of await selectServices(client, args.services)) {
      const accepted = await client.deleteService({ params: { name } });
      const code = await followChange(
        context,
        { ...accepted, deploymentId: null },
        {
          ...options,
          isDone: ({ service }) => service === null,
          doneSentence: `${name} is deleted`,
        },
      );
      if (code !== 0) return code;
    }
    return 0;
  },
});
