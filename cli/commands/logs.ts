import { z } from 'zod';
import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { flag, text, wholeNumber } from '../option-types.ts';
import { selectServices } from './select-services.ts';

export const logs = defineCommand({
  name: 'logs',
  aliases: ['log'],
  summary: operations.getLogs.summary,
  arguments: {
    service: { form: '[service]', summary: 'Name of a service (default: all)', schema: z.string().optional() },
  },
  options: {
    follow: { flags: '-f, --follow', summary: 'Go on printing what comes, until Ctrl-C', schema: flag },
    lines: {
      flags: '--lines <n>',
      summary: 'Last lines of each instance to begin with (default 15)',
      schema: wholeNumber(0, 10_000).optional(),
    },
    instance: { flags: '--instance <id>', summary: 'Only this instance', schema: text },
    err: { flags: '--err', summary: 'Only standard error', schema: flag },
    out: { flags: '--out', summary: 'Only standard output', schema: flag },
    raw: { flags: '--raw', summary: 'Without the name of the instance before each line', schema: flag },
  },
  examples: [
    { command: 'drover logs api -f', means: 'all instances of api on all nodes, as it comes' },
    { command: 'drover logs --err --lines 100', means: 'the last errors of everything' },
    { command: 'drover logs api --json', means: 'one object per line: instance, node, stream, line' },
  ],
  exitCodes: requestExitCodes,
  async run({ args, options, context }) {
    const { output, signal } = context;
    const client = await context.client();
    if (args.service !== undefined) await selectServices(client, [args.service]);
    const stream = options.err === options.out ? 'all' : options.err ? 'err' : 'out';
    const { bold, red, dim } = output.colors;
    const lines = client.getLogs(
      {
        query: {
          stream,
          follow: options.follow ? 'true' : 'false',
          ...(args.service === undefined ? {} : { service: args.service }),
          ...(options.instance === undefined ? {} : { instance: options.instance }),
          ...(options.lines === undefined ? {} : { lines: options.lines }),
        },
      },
      { onReconnect: (error) => output.note(dim(`(stream lost: ${error.message}; connecting again)`)) },
    );
    for await (const entry of lines) {
      if (output.json) output.object(entry);
      else if (options.raw) output.line(entry.line);
      else {
        const origin = bold(`${entry.service}#${entry.slot}@${entry.node}`);
        output.line(`${entry.stream === 'err' ? red('err') : 'out'} ${origin} ${entry.line}`);
      }
    }
    return signal.aborted && !options.follow ? 130 : 0;
  },
});
