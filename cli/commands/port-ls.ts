import { z } from 'zod';
import { portOperations } from '../../shared/contracts/coordination/port-operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { flag } from '../option-types.ts';
import { formatDuration } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

export const portLs = defineCommand({
  name: 'port ls',
  summary: portOperations.getPortUsage.summary,
  details:
    'leased: somebody has it. resting: given back a moment ago, not given out yet. foreign: a stranger listens on it. orphaned: its holder is gone, and the host has not confirmed yet that nobody listens.',
  arguments: { host: { form: '[host]', summary: 'Only this host', schema: z.string().optional() } },
  options: { all: { flags: '-a, --all', summary: 'Each port that is not free, with its owner', schema: flag } },
  examples: [
    { command: 'drover port ls', means: 'how full the pools are' },
    { command: 'drover port ls web-1 --all', means: 'who has which port there' },
  ],
  exitCodes: requestExitCodes,
  async run({ args, options, context }) {
    const { output } = context;
    const client = await context.client();
    const query = args.host === undefined ? {} : { host: args.host };
    if (options.all) {
      const ports = await client.listPorts({ query });
      if (output.json) {
        output.object(ports);
        return 0;
      }
      const table = renderTable(
        ports,
        [
          { title: 'host', value: ({ host }) => host, keep: 8 },
          { title: 'pool', value: ({ pool }) => pool, keep: 7 },
          { title: 'port', value: ({ port }) => String(port), align: 'right', keep: 9 },
          { title: 'state', value: ({ state }) => (state === 'quarantined' ? 'resting' : state), keep: 8 },
          { title: 'owner', value: ({ owner }) => owner ?? '', keep: 6 },
          { title: 'held by', value: ({ identity }) => identity ?? '', keep: 5 },
          { title: 'age', value: ({ ageMs }) => duration(ageMs), align: 'right', keep: 4 },
          { title: 'until', value: ({ untilMs }) => duration(untilMs), align: 'right', keep: 3 },
          { title: 'allocation', value: ({ allocationId }) => allocationId ?? '' },
        ],
        { width: output.columns, header: output.colors.bold },
      );
      for (const line of table) output.line(line);
      return 0;
    }
    const pools = await client.getPortUsage({ query });
    if (output.json) {
      output.object(pools);
      return 0;
    }
    if (pools.length === 0) {
      output.line('No port pools. A service declares them with drover.ports({ pools })');
      return 0;
    }
    const { bold, red } = output.colors;
    const table = renderTable(
      pools,
      [
        { title: 'host', value: ({ host }) => host, keep: 8 },
        { title: 'pool', value: ({ pool }) => pool, keep: 9 },
        { title: 'range', value: ({ from, to }) => `${from}-${to}`, keep: 7 },
        {
          title: 'free',
          value: ({ free }) => String(free),
          paint: (cell, { free }) => (free === 0 ? red(cell) : cell),
          align: 'right',
          keep: 9,
        },
        { title: 'leased', value: ({ leased }) => String(leased), align: 'right', keep: 8 },
        { title: 'resting', value: ({ quarantined }) => String(quarantined), align: 'right', keep: 5 },
        { title: 'foreign', value: ({ foreign }) => String(foreign), align: 'right', keep: 5 },
        { title: 'orphaned', value: ({ orphaned }) => String(orphaned), align: 'right', keep: 5 },
      ],
      { width: output.columns, header: bold },
    );
    for (const line of table) output.line(line);
    return 0;
  },
});

function duration(ms: number | null): string {
  return ms === null ? '' : formatDuration(ms);
}
