import type { Instance } from '../../shared/contracts/entities.ts';
import { instanceCondition, instanceLabel } from '../follow/instance-condition.ts';
import { paintCondition } from '../follow/render-rollout.ts';
import type { Output } from './output.ts';
import { formatAge, formatBytes, formatCores } from './quantity.ts';
import { renderTable } from './table.ts';

/** Instances as a table, ordered by service and slot. `now` is for their ages. */
export function renderInstances(
  instances: readonly Instance[],
  nodeNames: ReadonlyMap<string, string>,
  { columns, colors }: Output,
  now: number,
): string[] {
  const rows = instances.toSorted(
    (a, b) => (a.service < b.service ? -1 : a.service > b.service ? 1 : a.slot - b.slot) || a.createdAt - b.createdAt,
  );
  return renderTable(
    rows,
    [
      { title: 'instance', value: instanceLabel, keep: 9 },
      { title: 'id', value: ({ id }) => id },
      { title: 'rev', value: ({ revision }) => String(revision), align: 'right', keep: 7 },
      { title: 'node', value: ({ nodeId }) => nodeNames.get(nodeId) ?? nodeId, keep: 6 },
      { title: 'port', value: ({ port, status }) => String(status.port ?? port ?? '-'), align: 'right', keep: 4 },
      { title: 'pid', value: ({ status }) => String(status.pid ?? '-'), align: 'right', keep: 3 },
      {
        title: 'status',
        value: instanceCondition,
        keep: 8,
        paint: (cell, row) => paintCondition(colors, instanceCondition(row))(cell),
      },
      {
        title: 'uptime',
        value: ({ status }) => (status.startedAt === null ? '-' : formatAge(status.startedAt, now)),
        align: 'right',
        keep: 2,
      },
      {
        title: 'cpu',
        value: ({ status }) => (status.cpu === undefined ? '-' : formatCores(status.cpu)),
        align: 'right',
        keep: 2,
      },
      {
        title: 'mem',
        value: ({ status }) => (status.memoryBytes === undefined ? '-' : formatBytes(status.memoryBytes)),
        align: 'right',
        keep: 2,
      },
      { title: 'restarts', value: ({ status }) => String(status.restarts), align: 'right', keep: 2 },
      { title: 'why', value: ({ status }) => status.reason, keep: 0 },
    ],
    { width: columns, header: colors.bold },
  );
}
