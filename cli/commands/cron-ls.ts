import { cronOperations } from '../../shared/contracts/coordination/cron-operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { formatAge, formatDuration } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

export const cronLs = defineCommand({
  name: 'cron ls',
  summary: cronOperations.listCrons.summary,
  arguments: {},
  options: {},
  examples: [{ command: 'drover cron ls', means: 'when each ran last, and when it runs next' }],
  exitCodes: requestExitCodes,
  async run({ context }) {
    const { output } = context;
    const { bold, yellow, green } = output.colors;
    const client = await context.client();
    const crons = await client.listCrons();
    if (output.json) {
      output.object(crons);
      return 0;
    }
    if (crons.length === 0) {
      output.line('No cron jobs. A service declares them with drover.cron(…) or in its file, under "jobs"');
      return 0;
    }
    const now = Date.now();
    const table = renderTable(
      crons,
      [
        { title: 'name', value: ({ name }) => name, keep: 9 },
        { title: 'schedule', value: ({ schedule }) => schedule, keep: 8 },
        { title: 'zone', value: ({ timeZone }) => timeZone, keep: 3 },
        {
          title: 'state',
          value: ({ paused, running }) => (paused ? 'paused' : running === null ? 'waiting' : 'running'),
          paint: (cell, { paused, running }) => (paused ? yellow(cell) : running === null ? cell : green(cell)),
          keep: 7,
        },
        {
          title: 'next',
          value: ({ nextTickAt, paused }) =>
            nextTickAt === null || paused ? '-' : `in ${formatDuration(Math.max(0, nextTickAt - now))}`,
          align: 'right',
          keep: 6,
        },
        {
          title: 'last',
          value: ({ lastTickAt }) => `${formatAge(lastTickAt, now)} ago`,
          align: 'right',
          keep: 6,
        },
        { title: 'on', value: ({ running }) => running?.identity ?? '', keep: 4 },
        { title: 'missed', value: ({ missed }) => String(missed), align: 'right', keep: 5 },
        { title: 'declared by', value: ({ hosts }) => hosts.join(' ') || 'nobody', keep: 2 },
      ],
      { width: output.columns, header: bold },
    );
    for (const line of table) output.line(line);
    return 0;
  },
});
