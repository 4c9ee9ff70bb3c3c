import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { followChange } from '../follow/follow-change.ts';
import { isLive } from '../follow/instance-condition.ts';
import { followOptions } from '../option-types.ts';
import { servicesArgument } from './deploy-options.ts';
import { selectServices } from './select-services.ts';

export const stop = defineCommand({
  name: 'stop',
  summary: operations.stopService.summary,
  details: 'Its spec and revisions stay; start it again with: drover start.',
  arguments: servicesArgument,
  options: followOptions,
  examples: [
    { command: 'drover stop api', means: 'drain and stop all its instances' },
    { command: 'drover stop api --detach', means: 'without waiting for the last one' },
  ],
  exitCodes: [...requestExitCodes, 130],
  async run({ args, options, context }) {
    const client = await context.client();
    for (const { name } of await selectServices(client, args.services)) {
      const accepted = await client.stopService({ params: { name } });
      const code = await followChange(
        context,
        { ...accepted, deploymentId: null },
        {
          ...options,
          isDone: ({ service }) => service === null || (service.stopped && !service.instances.some(isLive)),
          doneSentence: `${name} is stopped`,
        },
      );
      if (code !== 0) return code;
    }
    return 0;
  },
});
