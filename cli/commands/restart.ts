import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { type ExitCode, rolloutExitCodes } from '../exit-codes.ts';
import { followChange } from '../follow/follow-change.ts';
import { followOptions } from '../option-types.ts';
import { servicesArgument } from './deploy-options.ts';
import { selectServices } from './select-services.ts';

export const restart = defineCommand({
  name: 'restart',
  summary: operations.restartService.summary,
  arguments: servicesArgument,
  options: followOptions,
  examples: [
    { command: 'drover restart api', means: 'stop and start it, with a short interruption' },
    { command: 'drover restart all', means: 'every service, one after the other' },
  ],
  exitCodes: rolloutExitCodes,
  async run({ args, options, context }) {
    const client = await context.client();
    let worst: ExitCode = 0;
    for (const { name } of await selectServices(client, args.services)) {
      const accepted = await client.restartService({ params: { name } });
      const code = await followChange(context, accepted, options);
      if (code === 130) return code;
      if (code !== 0) worst = code;
    }
    return worst;
  },
});
