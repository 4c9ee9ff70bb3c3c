import { z } from 'zod';
import type { Client } from '../../sdk/client/create-client.ts';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { nearestName } from '../../shared/contracts/ecosystem/nearest-name.ts';
import type { Node } from '../../shared/contracts/entities.ts';
import type { ArgumentDefinition } from '../command.ts';

export const nodeArgument = {
  node: { form: '<node>', summary: 'Name or id of a node', schema: z.string() },
} as const satisfies Record<string, ArgumentDefinition>;

/** The node of this id or name. @throws DroverError NODE_NOT_FOUND, or ARGUMENT_INVALID when several have the name. */
export async function selectNode(client: Client, given: string): Promise<Node> {
  const nodes = await client.listNodes();
  const found = nodes.filter(({ id, name }) => id === given || name === given);
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    const ids = found.map(({ id }) => id).join(', ');
    throw new DroverError('ARGUMENT_INVALID', `${found.length} nodes are named "${given}"; give the id: ${ids}`);
  }
  const nearest = nearestName(
    given,
    nodes.flatMap(({ id, name }) => [id, name]),
  );
  const hint = nearest === undefined ? '; "drover node ls" shows them' : `; did you mean ${nearest}?`;
  throw new DroverError('NODE_NOT_FOUND', `There is no node "${given}"${hint}`, { details: { node: given } });
}
