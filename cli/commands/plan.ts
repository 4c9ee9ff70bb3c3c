import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { renderPlan } from '../render/plan.ts';
import { fileArgument, fileOptions } from './deploy-options.ts';
import { prepareDeploy } from './prepare-deploy.ts';

export const plan = defineCommand({
  name: 'plan',
  summary: operations.planService.summary,
  details: 'Nothing is uploaded or changed.',
  arguments: fileArgument,
  options: fileOptions,
  examples: [
    { command: 'drover plan', means: 'for ecosystem.config.js of this directory' },
    { command: 'drover plan api.config.cjs --env staging', means: 'another file, with env_staging' },
  ],
  exitCodes: [...requestExitCodes, 3],
  async run({ args, options, context }) {
    const { output } = context;
    const client = await context.client();
    const { loaded, artifact, artifactOf } = await prepareDeploy(context, { file: args.file, ...options });
    await artifact?.remove();
    let isPlaceable = true;
    for (const service of loaded.services) {
      const result = await client.planService({
        params: { name: service.spec.name },
        body: { spec: service.spec, artifact: artifactOf(service) },
      });
      if (result.placements.some(({ node }) => node === null)) isPlaceable = false;
      if (output.json) output.object(result);
      else for (const line of renderPlan(result, output.colors)) output.line(line);
    }
    return isPlaceable ? 0 : 3;
  },
});
