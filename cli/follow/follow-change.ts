import type { Deployment } from '../../shared/contracts/entities.ts';
import type { CommandContext } from '../context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { createLiveBlock } from '../render/live.ts';
import { count, formatDuration } from '../render/quantity.ts';
import { deploymentOutcome } from './deployment-outcome.ts';
import { type Change, describeChanges } from './describe-changes.ts';
import { type Observation, observeService } from './observe-service.ts';
import { renderRollout } from './render-rollout.ts';

/** What the API answers to every change of a service. */
export interface AcceptedChange {
  readonly service: string;
  readonly revision: number;
  readonly deploymentId: string | null;
}

export interface FollowOptions {
  readonly detach: boolean;
  readonly timeout: number | undefined;
  /** For changes without a deployment: whether they are complete. */
  readonly isDone?: (observation: Observation) => boolean;
  /** Said when such a change is complete. */
  readonly doneSentence?: string;
}

/** A terminal shows this many instances of a rollout; more would scroll it away. */
const maxLiveRows = 30;
/** Of a failed instance: enough for a stack trace, short enough to keep the summary in sight. */
const maxLogLines = 20;

/**
 * Follows a change to its end and prints how it went: one live line per instance on a terminal, a line per change elsewhere, an
 * object per change with --json. Ctrl-C and `timeout` end the following only; the exit code is 130 then.
 */
export async function followChange(
  context: CommandContext,
  change: AcceptedChange,
  options: FollowOptions,
): Promise<ExitCode> {
  const { output, signal } = context;
  const { service: name, deploymentId } = change;
  if (options.detach) return detached(context, change, 'The cluster goes on by itself.', 0);
  if (deploymentId === null && options.isDone === undefined) {
    if (output.json) output.object({ type: 'summary', ...change, state: 'unchanged' });
    else output.line(`${name} is as wanted already: nothing to change`);
    return 0;
  }
  const startedMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedMs;
  const limit =
    options.timeout === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(options.timeout)]);
  const live = createLiveBlock(output);
  const client = await context.client();
  let previous: Observation | null = null;
  try {
    for await (const observation of observeService(client, { name, deploymentId }, limit)) {
      if (output.isTerminal) {
        const frame = { elapsedMs: elapsedMs(), columns: output.columns, maxRows: maxLiveRows, colors: output.colors };
        live.draw(renderRollout(observation, frame));
      } else {
        for (const news of describeChanges(previous, observation)) printChange(context, news);
      }
      previous = observation;
      if (observation.waiting !== undefined) continue;
      if (observation.deployment !== null) {
        const outcome = deploymentOutcome(observation.deployment);
        if (outcome === undefined) continue;
        live.finish();
        return finish(context, observation, outcome, elapsedMs());
      }
      if (options.isDone?.(observation) === true) {
        live.finish();
        if (output.json)
          output.object({ type: 'summary', ...change, state: 'done', durationMs: Math.round(elapsedMs()) });
        else output.line(`${options.doneSentence ?? `${name} is done`} (${formatDuration(elapsedMs())})`);
        return 0;
      }
    }
  } catch (error) {
    if (!limit.aborted) throw error;
    live.finish();
    const why = signal.aborted
      ? 'Detached: the cluster goes on by itself.'
      : `Not done after ${formatDuration(options.timeout!)}; the cluster goes on.`;
    return detached(context, change, why, 130);
  }
  return 0;
}

function detached({ output }: CommandContext, change: AcceptedChange, why: string, exitCode: ExitCode): ExitCode {
  if (output.json) {
    output.object({ type: 'detached', ...change });
    return exitCode;
  }
  output.line(why);
  output.line(`  watch it:    drover describe ${change.service}`);
  output.line(`  take it back: drover rollback ${change.service}`);
  return exitCode;
}

function printChange({ output }: CommandContext, change: Change): void {
  if (output.json) {
    output.object({ at: new Date().toISOString(), ...change });
    return;
  }
  output.line(`${new Date().toISOString()} ${sentenceOf(change)}`);
}

function sentenceOf(change: Change): string {
  switch (change.type) {
    case 'instance': {
      const why = change.reason === '' ? '' : `: ${change.reason}`;
      return `${change.instance} (revision ${change.revision}) on ${change.node} ${change.condition}${why}`;
    }
    case 'deployment': {
      const { updated, total, healthy } = change.progress;
      const why = change.reason === '' ? '' : `: ${change.reason}`;
      return `deployment ${change.state}, ${updated}/${total} updated, ${healthy} healthy${why}`;
    }
    case 'waiting':
    case 'reconnected':
      return change.reason;
  }
}

function finish(
  { output }: CommandContext,
  { deployment, nodeName }: Observation,
  outcome: NonNullable<ReturnType<typeof deploymentOutcome>>,
  durationMs: number,
): ExitCode {
  const { progress, failures, id, service, to, from, state, reason } = deployment as Deployment;
  if (output.json) {
    output.object({
      type: 'summary',
      service,
      deploymentId: id,
      revision: to.revision,
      fromRevision: from?.revision ?? null,
      state,
      reason,
      ...progress,
      failed: failures.length,
      failures,
      durationMs: Math.round(durationMs),
      exitCode: outcome.exitCode,
      ...(outcome.code === undefined ? {} : { code: outcome.code }),
    });
    return outcome.exitCode;
  }
  const { green, red, dim, bold } = output.colors;
  for (const failure of failures) {
    output.line();
    output.line(
      `${red('failed')} ${bold(`${service}#${failure.slot}`)} (${failure.instanceId}) on ${nodeName(failure.node)}`,
    );
    output.line(`  reason: ${failure.reason}`);
    if (failure.probe !== undefined) output.line(`  probe:  ${failure.probe}`);
    if (failure.lastLines.length > 0) {
      output.line('  last log lines:');
      for (const line of failure.lastLines.slice(-maxLogLines)) output.line(dim(`    ${line}`));
    }
  }
  if (failures.length > 0) output.line();
  const mark = outcome.exitCode === 0 ? green('done') : red('failed');
  output.line(`${mark} ${outcome.sentence}`);
  const figures = `${count(progress.updated, 'instance')} updated, ${progress.healthy} healthy, ${failures.length} failed`;
  output.line(dim(`     ${figures}, in ${formatDuration(durationMs)}`));
  return outcome.exitCode;
}
