import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { nodeArgument, selectNode } from './select-node.ts';

export const nodeRm = defineCommand({
  name: 'node rm',
  summary: operations.removeNode.summary,
  arguments: nodeArgument,
  options: {},
  examples: [{ command: 'drover node rm web-2', means: 'after "drover node drain web-2"' }],
  exitCodes: [...requestExitCodes, 6],
  async run({ args, context }) {
    const client = await context.client();
    const { id, name } = await selectNode(client, args.node);
    await client.removeNode({ params: { id } });
    if (context.output.json) context.output.object({ id, removed: true });
    else context.output.line(`${name} is no longer a node of this cluster`);
    return 0;
  },
});
