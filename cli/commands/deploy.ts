import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { DroverError, isDroverError } from '../../shared/contracts/drover-error.ts';
import type { EcosystemService } from '../../shared/contracts/ecosystem.ts';
import { operations, type PlanServiceResult } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import type { CommandContext } from '../context.ts';
import { type ExitCode, rolloutExitCodes } from '../exit-codes.ts';
import { followChange } from '../follow/follow-change.ts';
import { flag, followOptions, wholeNumber } from '../option-types.ts';
import type { PackedArtifact } from '../pack/pack-directory.ts';
import { uploadArtifact } from '../pack/upload-artifact.ts';
import { createLiveBlock } from '../render/live.ts';
import { renderPlan } from '../render/plan.ts';
import { formatBytes } from '../render/quantity.ts';
import { fileArgument, fileOptions } from './deploy-options.ts';
import { prepareDeploy } from './prepare-deploy.ts';

export const deploy = defineCommand({
  name: 'deploy',
  summary: `${operations.putService.summary} of each app of an ecosystem file, and follow the rollout`,
  details:
    'Shows the plan, packs and uploads the directory of the file once, and rolls out in batches: an old instance stops when its replacement is healthy and has its traffic. A failure rolls back by itself. Services of one file are deployed in its order, and the first failure ends it.',
  arguments: fileArgument,
  options: {
    ...fileOptions,
    yes: { flags: '-y, --yes', summary: 'Do not ask before running instances are replaced or removed', schema: flag },
    ifRevision: {
      flags: '--if-revision <n>',
      summary: 'Refuse unless this is the latest revision; 0 is "does not exist yet"',
      schema: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional(),
    },
    ...followOptions,
  },
  examples: [
    { command: 'drover deploy', means: 'deploy what the ecosystem file of this directory says' },
    { command: 'drover deploy --env production --only api', means: 'one service, with env_production' },
    { command: 'drover deploy --yes --json', means: 'from a pipeline: no question, one JSON object per line' },
  ],
  exitCodes: rolloutExitCodes,
  async run({ args, options, context }) {
    const { output } = context;
    const client = await context.client();
    const prepared = await prepareDeploy(context, { file: args.file, ...options });
    const { artifact, artifactOf, loaded } = prepared;
    try {
      const plans = [];
      for (const service of loaded.services) {
        const plan = await client.planService({
          params: { name: service.spec.name },
          body: { spec: service.spec, artifact: artifactOf(service) },
        });
        plans.push(plan);
        if (output.json) output.object({ type: 'plan', ...plan });
        else for (const line of renderPlan(plan, output.colors)) output.line(line);
      }
      refuseUnplaceable(plans);
      if (!options.yes && !(await confirmed(context, plans))) return 1;
      if (artifact !== null) await upload(context, artifact);
      for (const service of loaded.services) {
        const code = await deployOne(context, service, artifactOf(service), options);
        if (code !== 0) return code;
      }
      return 0;
    } finally {
      await artifact?.remove();
    }
  },
});

async function deployOne(
  context: CommandContext,
  { spec }: EcosystemService,
  artifact: string | null,
  options: { ifRevision?: number | undefined; detach: boolean; timeout?: number | undefined },
): Promise<ExitCode> {
  const client = await context.client();
  const { ifRevision, detach, timeout } = options;
  const accepted = await client.putService({
    params: { name: spec.name },
    body: { spec, artifact, idempotencyKey: crypto.randomUUID(), ...(ifRevision === undefined ? {} : { ifRevision }) },
  });
  if (context.output.json) context.output.object({ type: 'accepted', ...accepted });
  return followChange(context, accepted, { detach, timeout });
}

/** A slot without a place would only wait for its deadline: say so before anything is changed. */
function refuseUnplaceable(plans: readonly PlanServiceResult[]): void {
  const homeless = plans.flatMap(({ service, placements }) =>
    placements
      .filter(({ node }) => node === null)
      .map(({ slot, reason }) => ({ instance: `${service}#${slot}`, reason })),
  );
  const [first] = homeless;
  if (first === undefined) return;
  const others = homeless.length > 1 ? ` (and ${homeless.length - 1} more)` : '';
  throw new DroverError(
    'PLACEMENT_IMPOSSIBLE',
    `No node can take ${first.instance}${others}: ${first.reason}. Nothing was changed; "drover node ls" shows the nodes`,
    { details: { homeless } },
  );
}

async function confirmed(
  { output, stdin, signal }: CommandContext,
  plans: readonly PlanServiceResult[],
): Promise<boolean> {
  const touched = plans.reduce((sum, { replaces, removes }) => sum + replaces + removes, 0);
  if (touched === 0 || !output.isTerminal) return true;
  const input = stdin();
  if (input.isTTY !== true) return true;
  const lines = createInterface({ input });
  try {
    output.write('Deploy this? [Y/n] ');
    const [answer] = (await once(lines, 'line', { signal })) as [string];
    if (['', 'y', 'yes'].includes(answer.trim().toLowerCase())) return true;
    output.line('Nothing was changed');
    return false;
  } finally {
    lines.close();
  }
}

async function upload(context: CommandContext, artifact: PackedArtifact): Promise<void> {
  const { output } = context;
  const live = createLiveBlock(output);
  const total = formatBytes(artifact.bytes);
  const sent = await uploadArtifact(await context.client(), artifact, (bytes) => {
    if (output.isTerminal) live.draw([`uploading ${formatBytes(bytes)} of ${total}`]);
  }).catch((error: unknown) => {
    if (isDroverError(error) && error.code === 'ARTIFACT_TOO_LARGE') {
      throw new DroverError(error.code, `${error.message}; leave out what is not needed with .droverignore`, {
        cause: error,
      });
    }
    throw error;
  });
  if (sent && output.isTerminal) live.draw([`uploaded ${total}`]);
  live.finish();
}
