import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { nodeArgument, selectNode } from './select-node.ts';

export const nodeUndrain = defineCommand({
  name: 'node undrain',
  summary: 'Let a node take instances again',
  details: 'What was moved away stays where it is; new instances may come here.',
  arguments: nodeArgument,
  options: {},
  examples: [{ command: 'drover node undrain web-2', means: 'after its maintenance' }],
  exitCodes: requestExitCodes,
  async run({ args, context }) {
    const client = await context.client();
    const { id } = await selectNode(client, args.node);
    const node = await client.updateNode({ params: { id }, body: { eligibility: 'eligible' } });
    if (context.output.json) context.output.object(node);
    else context.output.line(`${node.name} takes instances again`);
    return 0;
  },
});
