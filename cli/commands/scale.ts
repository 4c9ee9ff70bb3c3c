import { z } from 'zod';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { operations } from '../../shared/contracts/operations.ts';
import type { Scale } from '../../shared/contracts/spec.ts';
import { defineCommand } from '../command.ts';
import { rolloutExitCodes } from '../exit-codes.ts';
import { followChange } from '../follow/follow-change.ts';
import { followOptions } from '../option-types.ts';
import { serviceArgument } from './deploy-options.ts';
import { selectServices } from './select-services.ts';

export const scale = defineCommand({
  name: 'scale',
  summary: operations.scaleService.summary,
  details: 'Write a minus after two dashes: drover scale api -- -2.',
  arguments: {
    ...serviceArgument,
    instances: {
      form: '<instances>',
      summary: 'A count, +n, -n, or "max" for one per core of every eligible node',
      schema: z.string().regex(/^([+-]?\d{1,5}|max)$/, 'must be a count, +n, -n or "max"'),
    },
  },
  options: followOptions,
  examples: [
    { command: 'drover scale api 6', means: 'six instances in all' },
    { command: 'drover scale api +2', means: 'two more' },
  ],
  exitCodes: rolloutExitCodes,
  async run({ args, options, context }) {
    const client = await context.client();
    const [service] = await selectServices(client, [args.service]);
    const { name, scale: current } = service!;
    const wanted = { ...current, instances: applyScale(args.instances, current.instances) };
    const accepted = await client.scaleService({ params: { name }, body: wanted });
    return followChange(context, accepted, options);
  },
});

function applyScale(change: string, current: Scale['instances']): Scale['instances'] {
  if (change === 'max') return 'max';
  if (!/^[+-]/.test(change)) return Number(change);
  if (current === 'max') {
    throw new DroverError(
      'ARGUMENT_INVALID',
      `The service has "max" instances, so ${change} is from no number; give a count`,
      {
        issues: [
          { path: 'instances', reason: `"${change}" needs a number to start from`, allowed: 'a count, or "max"' },
        ],
      },
    );
  }
  return Math.max(0, current + Number(change));
}
