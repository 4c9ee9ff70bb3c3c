import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../sdk/client/create-client.ts';
import { isDroverError } from '../../shared/contracts/drover-error.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { isLive } from '../follow/instance-condition.ts';
import { followOptions } from '../option-types.ts';
import { createLiveBlock } from '../render/live.ts';
import { count, formatDuration } from '../render/quantity.ts';
import { nodeArgument, selectNode } from './select-node.ts';

const intervalMs = 500;

export const nodeDrain = defineCommand({
  name: 'node drain',
  summary: 'Move all instances away from a node, each after its replacement is healthy, and place no new ones there',
  arguments: nodeArgument,
  options: followOptions,
  examples: [
    { command: 'drover node drain web-2', means: 'and wait until it is empty' },
    { command: 'drover node undrain web-2', means: 'take it back into service' },
  ],
  exitCodes: [...requestExitCodes, 130],
  async run({ args, options, context }) {
    const { output, signal } = context;
    const client = await context.client();
    const node = await selectNode(client, args.node);
    await client.updateNode({ params: { id: node.id }, body: { eligibility: 'draining' } });
    const startedMs = performance.now();
    const limit =
      options.timeout === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(options.timeout)]);
    const live = createLiveBlock(output);
    let before = -1;
    for (;;) {
      const left = await countLive(client, node.id);
      if (left === null) {
        if (output.isTerminal) live.draw([`draining ${node.name}: waiting for a controller…`]);
      } else if (output.json && left !== before) output.object({ type: 'drain', node: node.id, instances: left });
      else if (output.isTerminal) live.draw([`draining ${node.name}: ${count(left, 'instance')} left`]);
      else if (left !== before) output.line(`draining ${node.name}: ${count(left, 'instance')} left`);
      before = left ?? before;
      if (left === 0 || options.detach) break;
      await sleep(intervalMs, undefined, { signal: limit }).catch(() => undefined);
      if (limit.aborted) {
        output.note(`The node goes on draining; "drover node ls" shows how many instances are left`);
        return 130;
      }
    }
    if (!output.json && !options.detach)
      output.line(`${node.name} is empty (${formatDuration(performance.now() - startedMs)})`);
    return 0;
  },
});

/** Null while no controller says so: the draining goes on without being watched. */
async function countLive(client: Client, node: string): Promise<number | null> {
  try {
    return (await client.listInstances({ query: { node } })).filter(isLive).length;
  } catch (error) {
    if (isDroverError(error) && error.retryable) return null;
    throw error;
  }
}
