import type { Deployment } from '../../shared/contracts/entities.ts';
import { type ErrorCode, errorRegistry } from '../../shared/contracts/error-code.ts';
import { isEnded } from '../../shared/state/deployment-states.ts';
import type { ExitCode } from '../exit-codes.ts';

/** How a deployment came out: its exit code and a sentence that says so. */
export interface DeploymentOutcome {
  readonly exitCode: ExitCode;
  /** The error that it amounts to; undefined when it succeeded. */
  readonly code?: ErrorCode;
  readonly sentence: string;
}

const participles = {
  deploy: 'deployed',
  rollback: 'deployed again',
  reload: 'reloaded',
  restart: 'restarted',
  scale: 'scaled',
} as const satisfies Record<Deployment['kind'], string>;

/** Undefined while it goes on. A paused deployment does not go on by itself, so following ends there. */
export function deploymentOutcome(deployment: Deployment): DeploymentOutcome | undefined {
  const { state, service, to, from, reason, kind } = deployment;
  if (!isEnded(state) && state !== 'paused') return undefined;
  const revision = `${service} revision ${to.revision}`;
  switch (state) {
    case 'succeeded':
      return { exitCode: 0, sentence: `${revision} is ${participles[kind]}` };
    case 'rolled-back':
      return failed(
        isPlacement(deployment) ? 'PLACEMENT_IMPOSSIBLE' : 'DEPLOYMENT_ROLLED_BACK',
        kind === 'scale'
          ? `${service} could not be scaled; it has as many instances as before`
          : `${revision} failed; ${service} is back on revision ${from?.revision ?? '?'}`,
      );
    case 'superseded':
      return failed('STATE_CONFLICT', `${revision} was superseded by another deployment: ${reason}`);
    case 'paused':
      return failed('DEPLOYMENT_FAILED', `${revision} failed and is paused with revisions mixed: ${reason}`);
    default:
      return failed(
        isPlacement(deployment) ? 'PLACEMENT_IMPOSSIBLE' : 'DEPLOYMENT_FAILED',
        `${revision} failed: ${reason}`,
      );
  }
}

function failed(code: ErrorCode, sentence: string): DeploymentOutcome {
  return { exitCode: errorRegistry[code].exit as ExitCode, code, sentence };
}

/** Nothing was wrong with the program: no node could take it. */
function isPlacement({ failures, reason }: Deployment): boolean {
  return failures.length === 0
    ? reason.startsWith('placement')
    : failures.every((failure) => failure.reason.startsWith('placement'));
}
