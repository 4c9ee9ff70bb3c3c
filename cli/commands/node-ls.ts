import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { isLive } from '../follow/instance-condition.ts';
import { formatBytes, formatCores } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

export const nodeLs = defineCommand({
  name: 'node ls',
  summary: operations.listNodes.summary,
  arguments: {},
  options: {},
  examples: [{ command: 'drover node ls', means: 'hosts, their state and their load' }],
  exitCodes: requestExitCodes,
  async run({ context }) {
    const { output } = context;
    const { bold, green, red, yellow } = output.colors;
    const client = await context.client();
    const [nodes, instances] = await Promise.all([client.listNodes(), client.listInstances()]);
    if (output.json) {
      output.object(nodes);
      return 0;
    }
    if (nodes.length === 0) {
      output.line('No nodes yet. Make a token with "drover token create" and run "drover agent join" on each host');
      return 0;
    }
    const table = renderTable(
      nodes,
      [
        { title: 'name', value: ({ name }) => name, keep: 9 },
        { title: 'id', value: ({ id }) => id },
        { title: 'address', value: ({ address }) => address, keep: 6 },
        {
          title: 'state',
          value: ({ state }) => state,
          keep: 9,
          paint: (cell, { state }) => (state === 'ready' ? green(cell) : state === 'lost' ? red(cell) : yellow(cell)),
        },
        { title: 'eligibility', value: ({ eligibility }) => eligibility, keep: 8 },
        {
          title: 'instances',
          value: ({ id }) => String(instances.filter((instance) => instance.nodeId === id && isLive(instance)).length),
          align: 'right',
          keep: 5,
        },
        {
          title: 'cpu',
          value: ({ usage, cores }) => `${usage === undefined ? '-' : formatCores(usage.cpu)} of ${cores}`,
          align: 'right',
          keep: 3,
        },
        {
          title: 'mem',
          value: ({ usage, memoryBytes }) =>
            `${usage === undefined ? '-' : formatBytes(usage.memoryBytes)} of ${formatBytes(memoryBytes)}`,
          align: 'right',
          keep: 3,
        },
        { title: 'router', value: ({ router }) => (router ? 'yes' : '') },
        { title: 'version', value: ({ version }) => version },
        {
          title: 'labels',
          value: ({ labels }) =>
            Object.entries(labels)
              .map(([key, value]) => `${key}=${value}`)
              .join(' '),
          keep: 0,
        },
      ],
      { width: output.columns, header: bold },
    );
    for (const line of table) output.line(line);
    return 0;
  },
});
