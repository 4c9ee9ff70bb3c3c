import { operations, type ServiceView } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { rolloutExitCodes } from '../exit-codes.ts';
import { followChange } from '../follow/follow-change.ts';
import { exitedInstances, instanceCondition, isLive } from '../follow/instance-condition.ts';
import { followOptions } from '../option-types.ts';
import { servicesArgument } from './deploy-options.ts';
import { selectServices } from './select-services.ts';

export const start = defineCommand({
  name: 'start',
  summary: operations.startService.summary,
  details: 'A new service, or a new version of one, is started with: drover deploy.',
  arguments: servicesArgument,
  options: followOptions,
  examples: [{ command: 'drover start api', means: 'start it again and wait until it is healthy' }],
  exitCodes: rolloutExitCodes,
  async run({ args, options, context }) {
    const client = await context.client();
    for (const { name } of await selectServices(client, args.services)) {
      const accepted = await client.startService({ params: { name } });
      const code = await followChange(context, accepted, {
        ...options,
        isDone: ({ service }) => service !== null && isHealthy(service),
        doneSentence: `${name} is running`,
      });
      if (code !== 0) return code;
    }
    return 0;
  },
});

/** All that runs is healthy, and with what has run to its end already it is as many as the scale says where that is a number. */
function isHealthy(service: ServiceView): boolean {
  const { stopped, instances, scale } = service;
  const live = instances.filter(isLive);
  const wanted = scale.hosts === undefined && scale.instances !== 'max' ? scale.instances : 1;
  const exited = exitedInstances(service).length;
  return (
    !stopped && live.length + exited >= wanted && live.every((instance) => instanceCondition(instance) === 'healthy')
  );
}
