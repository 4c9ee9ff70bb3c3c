import { z } from 'zod';
import { lockOperations } from '../../shared/contracts/coordination/lock-operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { formatDuration } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

export const lockLs = defineCommand({
  name: 'lock ls',
  summary: lockOperations.listLocks.summary,
  details:
    'A holder renews what it holds each third of its time; "expires" is when it ends should the holder fall silent.',
  arguments: {
    match: { form: '[part]', summary: 'Only names with this part', schema: z.string().optional() },
  },
  options: {},
  examples: [
    { command: 'drover lock ls', means: 'who holds what, since when, and who waits' },
    { command: 'drover lock ls order:', means: 'locks of orders' },
  ],
  exitCodes: requestExitCodes,
  async run({ args, context }) {
    const { output } = context;
    const client = await context.client();
    const locks = await client.listLocks({ query: args.match === undefined ? {} : { match: args.match } });
    if (output.json) {
      output.object(locks);
      return 0;
    }
    if (locks.length === 0) {
      output.line('Nothing is held, and nobody waits');
      return 0;
    }
    const rows = locks.flatMap(({ name, kind, holders, waiters }) =>
      (holders.length > 0 ? holders : [null]).map((holder, index) => ({ name, kind, holder, waiters, index })),
    );
    const table = renderTable(
      rows,
      [
        { title: 'name', value: ({ name }) => name, keep: 9 },
        { title: 'kind', value: ({ kind }) => kind, keep: 4 },
        { title: 'holder', value: ({ holder }) => holder?.identity ?? '-', keep: 8 },
        { title: 'age', value: ({ holder }) => duration(holder?.ageMs), align: 'right', keep: 7 },
        { title: 'expires', value: ({ holder }) => duration(holder?.expiresInMs), align: 'right', keep: 5 },
        {
          title: 'waiters',
          value: ({ waiters, index }) => (index === 0 ? String(waiters.length) : ''),
          align: 'right',
          keep: 6,
        },
        { title: 'first waits', value: ({ waiters, index }) => (index === 0 ? duration(waiters[0]?.waitingMs) : '') },
        { title: 'token', value: ({ holder }) => (holder === null ? '-' : String(holder.token)), keep: 5 },
      ],
      { width: output.columns, header: output.colors.bold },
    );
    for (const line of table) output.line(line);
    return 0;
  },
});

function duration(ms: number | undefined): string {
  return ms === undefined ? '-' : formatDuration(ms);
}
