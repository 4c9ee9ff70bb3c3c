import type { DeploymentState } from '../contracts/entities.ts';

/**
 *   rolling ⇄ paused
 *   rolling | paused → rolling-back → rolled-back
 *   rolling → succeeded;  rolling | paused | rolling-back → failed | superseded
 */
export const deploymentTransitions = {
  rolling: ['paused', 'rolling-back', 'succeeded', 'failed', 'superseded'],
  paused: ['rolling', 'rolling-back', 'failed', 'superseded'],
  'rolling-back': ['rolled-back', 'failed', 'superseded'],
  succeeded: [],
  'rolled-back': [],
  failed: [],
  superseded: [],
} as const satisfies Record<DeploymentState, readonly DeploymentState[]>;

export function isEnded(state: DeploymentState): boolean {
  return deploymentTransitions[state].length === 0;
}

export function mayMove(from: DeploymentState, to: DeploymentState): boolean {
  return from === to || (deploymentTransitions[from] as readonly DeploymentState[]).includes(to);
}
