import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { formatDuration } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

export const tokenLs = defineCommand({
  name: 'token ls',
  summary: operations.listJoinTokens.summary,
  arguments: {},
  options: {},
  examples: [{ command: 'drover token ls', means: 'which tokens are still good' }],
  exitCodes: requestExitCodes,
  async run({ context }) {
    const { output } = context;
    const client = await context.client();
    const tokens = await client.listJoinTokens();
    if (output.json) {
      output.object(tokens);
      return 0;
    }
    const now = Date.now();
    const table = renderTable(
      tokens,
      [
        { title: 'id', value: ({ id }) => id, keep: 9 },
        {
          title: 'valid',
          value: ({ revoked, expiresAt, usesLeft }) => {
            if (revoked) return 'revoked';
            if (usesLeft === 0) return 'used up';
            if (expiresAt === null) return 'for ever';
            return expiresAt <= now ? 'expired' : `for ${formatDuration(expiresAt - now)}`;
          },
          keep: 5,
        },
        { title: 'uses left', value: ({ usesLeft }) => (usesLeft === null ? 'any' : String(usesLeft)), align: 'right' },
        {
          title: 'labels',
          value: ({ labels }) =>
            Object.entries(labels)
              .map(([key, value]) => `${key}=${value}`)
              .join(' '),
        },
        { title: 'by', value: ({ createdBy }) => createdBy },
      ],
      { width: output.columns, header: output.colors.bold },
    );
    for (const line of table) output.line(line);
    return 0;
  },
});
