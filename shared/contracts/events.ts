import { z } from 'zod';
import { serviceNameSchema } from './spec.ts';

/** Every state change appends one event in the script that makes it. Names are `noun.pastTense`. Events hold no env and no secrets. */
export const eventTypes = [
  'node.joined',
  'node.connected',
  'node.disconnected',
  'node.lost',
  'node.eligibilityChanged',
  'node.removed',
  'service.deployed',
  'service.scaled',
  'service.stopped',
  'service.started',
  'service.deleted',
  'service.removed',
  'deployment.created',
  'deployment.stateChanged',
  'deployment.instanceFailed',
  'instance.assigned',
  'instance.stateChanged',
  'instance.healthChanged',
  'instance.restarted',
  'instance.desiredChanged',
  'placement.failed',
  'routes.published',
  'routes.ackTimedOut',
  'leader.elected',
  'leader.resigned',
  'token.created',
  'token.revoked',
  'store.recovered',
] as const;

export const eventSchema = z.object({
  id: z.string().describe('Id of the entry in the stream; pass it as `after` to go on from there'),
  type: z.enum(eventTypes),
  at: z.int(),
  actor: z.string().describe('Who: `user:<token>`, `leader:<controller>`, `node:<id>`'),
  reason: z.string(),
  service: serviceNameSchema.optional(),
  instanceId: z.string().optional(),
  nodeId: z.string().optional(),
  deploymentId: z.string().optional(),
  data: z.record(z.string(), z.unknown()).default({}),
});

export type EventType = (typeof eventTypes)[number];
export type DroverEvent = z.infer<typeof eventSchema>;
/** What a writer supplies; the script adds id and, from the store's clock, `at`. */
export type NewEvent = Omit<DroverEvent, 'id' | 'at' | 'data'> & { data?: Record<string, unknown> };
