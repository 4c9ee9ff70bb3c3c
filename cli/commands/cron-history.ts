import { cronOperations } from '../../shared/contracts/coordination/cron-operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { wholeNumber } from '../option-types.ts';
import { formatDuration } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';
import { cronArgument } from './cron-argument.ts';

export const cronHistory = defineCommand({
  name: 'cron history',
  summary: cronOperations.listCronRuns.summary,
  arguments: cronArgument,
  options: {
    lines: {
      flags: '-n, --lines <count>',
      summary: 'How many runs (default 20)',
      schema: wholeNumber(1, 100).optional(),
    },
  },
  examples: [
    {
      command: 'drover cron history cancel-expired-orders',
      means: 'where each run was, how long it took, how it ended',
    },
  ],
  exitCodes: requestExitCodes,
  async run({ args, options, context }) {
    const { output } = context;
    const { bold, green, red, yellow } = output.colors;
    const client = await context.client();
    const runs = await client.listCronRuns({
      params: { name: args.name },
      query: options.lines === undefined ? {} : { limit: options.lines },
    });
    if (output.json) {
      output.object(runs);
      return 0;
    }
    if (runs.length === 0) {
      output.line(`${args.name} has not run yet`);
      return 0;
    }
    const table = renderTable(
      runs,
      [
        { title: 'tick', value: ({ tick }) => new Date(tick).toISOString(), keep: 9 },
        { title: 'why', value: ({ trigger }) => trigger, keep: 3 },
        { title: 'on', value: ({ identity }) => identity, keep: 6 },
        {
          title: 'took',
          value: ({ durationMs }) => formatDuration(durationMs),
          align: 'right',
          keep: 7,
        },
        {
          title: 'outcome',
          value: ({ outcome }) => outcome,
          paint: (cell, { outcome }) =>
            outcome === 'succeeded'
              ? green(cell)
              : outcome === 'failed' || outcome === 'lost'
                ? red(cell)
                : yellow(cell),
          keep: 8,
        },
        {
          title: 'result',
          value: ({ error, result }) => error ?? (result === undefined ? '' : JSON.stringify(result)),
          keep: 2,
        },
      ],
      { width: output.columns, header: bold },
    );
    for (const line of table) output.line(line);
    return 0;
  },
});
