import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { type ExitCode, rolloutExitCodes } from '../exit-codes.ts';
import { followChange } from '../follow/follow-change.ts';
import { followOptions } from '../option-types.ts';
import { servicesArgument } from './deploy-options.ts';
import { selectServices } from './select-services.ts';

export const reload = defineCommand({
  name: 'reload',
  summary: operations.reloadService.summary,
  arguments: servicesArgument,
  options: followOptions,
  examples: [
    { command: 'drover reload api', means: 'replace its instances without an interruption' },
    { command: 'drover reload all', means: 'every service, one after the other' },
  ],
  exitCodes: rolloutExitCodes,
  async run({ args, options, context }) {
    const client = await context.client();
    let worst: ExitCode = 0;
    for (const { name } of await selectServices(client, args.services)) {
      const accepted = await client.reloadService({ params: { name } });
      const code = await followChange(context, accepted, options);
      if (code === 130) return code;
      if (code !== 0) worst = code;
    }
    return worst;
  },
});
