import type { Instance } from '../../shared/contracts/entities.ts';
import type { Colors } from '../render/output.ts';
import { formatDuration } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';
import { type InstanceCondition, instanceCondition, instanceLabel, isLive } from './instance-condition.ts';
import type { Observation } from './observe-service.ts';

/** Colours by what they ask of the reader: green nothing, yellow patience, red a look. */
export function paintCondition(colors: Colors, condition: InstanceCondition): (text: string) => string {
  switch (condition) {
    case 'healthy':
      return colors.green;
    case 'failed':
    case 'lost':
    case 'unhealthy':
      return colors.red;
    case 'stopped':
    case 'exited':
    case 'draining':
    case 'stopping':
      return colors.dim;
    default:
      return colors.yellow;
  }
}

export interface RolloutFrame {
  readonly elapsedMs: number;
  readonly columns: number;
  /** Rows of the terminal that may be used; instances beyond are counted instead of listed. */
  readonly maxRows: number;
  readonly colors: Colors;
}

/** One picture of a rollout: a headline, then one line for each instance that is live or failed in it. */
export function renderRollout(observation: Observation, frame: RolloutFrame): string[] {
  const { service, deployment, waiting, nodeName } = observation;
  const { colors, columns, elapsedMs, maxRows } = frame;
  const progress = deployment?.progress;
  const headline = [
    deployment === null ? (service?.name ?? '') : `${deployment.service} → revision ${deployment.to.revision}`,
    deployment?.state ?? '',
    progress === undefined ? '' : `${progress.updated}/${progress.total} updated, ${progress.healthy} healthy`,
    formatDuration(elapsedMs),
    waiting ?? '',
  ];
  const rows = (service?.instances ?? [])
    .filter((instance) => isLive(instance) || (deployment !== null && instance.deploymentId === deployment.id))
    .toSorted((a, b) => a.slot - b.slot || a.revision - b.revision || a.createdAt - b.createdAt);
  const listed = rows.slice(0, maxRows);
  const table = renderTable<Instance>(
    listed,
    [
      { title: '  instance', value: (row) => `  ${instanceLabel(row)}`, keep: 9 },
      { title: 'rev', value: ({ revision }) => String(revision), align: 'right', keep: 8 },
      { title: 'node', value: ({ nodeId }) => nodeName(nodeId), keep: 5 },
      {
        title: 'status',
        value: instanceCondition,
        keep: 9,
        paint: (cell, row) => paintCondition(colors, instanceCondition(row))(cell),
      },
      { title: 'why', value: ({ status }) => status.reason },
    ],
    { width: columns },
  );
  const more = rows.length - listed.length;
  return [
    colors.bold(headline.filter((part) => part !== '').join('  ')),
    ...table.slice(1),
    ...(more > 0 ? [colors.dim(`  … and ${more} more`)] : []),
  ];
}
