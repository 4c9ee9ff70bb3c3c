import { z } from 'zod';
import type { Operation } from '../operation.ts';
import { byName, coerceInt, coordinationNameSchema, identitySchema, listQuery } from './fields.ts';

export const channelViewSchema = z.object({
  name: z.string(),
  kind: z.enum(['topic', 'stream', 'presence', 'inbox']),
  subscribers: z.int(),
  length: z.int().nullable(),
  groups: z.array(z.object({ name: z.string(), pending: z.int(), lag: z.int().nullable(), consumers: z.int() })),
});

export const channelOperations = {
  listChannels: {
    method: 'GET',
    path: '/v1/channels',
    auth: 'services',
    query: listQuery,
    status: 200,
    response: z.array(channelViewSchema),
    errors: [],
    summary: 'Topics with subscribers, streams with their groups, presence',
  },
  publishMessage: {
    method: 'POST',
    path: '/v1/channels/:name/messages',
    auth: 'services',
    params: byName,
    body: z.object({
      kind: z.enum(['topic', 'stream']),
      message: z.json(),
      id: z.string().max(128).optional().describe('Streams: a second message with it is dropped'),
    }),
    status: 202,
    response: z.object({ id: z.string().nullable(), receivers: z.int().nullable() }),
    errors: [],
    summary: 'Publish to a topic (whoever listens now) or a stream (each group, at least once)',
  },
  subscribeTopic: {
    method: 'GET',
    path: '/v1/channels/:name/messages',
    auth: 'services',
    params: byName,
    status: 200,
    response: z.object({
      message: z.json(),
      gap: z.boolean().describe('Messages before this one may have been missed'),
    }),
    stream: 'sse',
    errors: [],
    summary: 'Messages of a topic from now on',
  },
  readStream: {
    method: 'POST',
    path: '/v1/channels/:name/groups/:group/read',
    auth: 'services',
    params: z.object({ name: coordinationNameSchema, group: coordinationNameSchema }),
    body: z.object({
      consumer: identitySchema,
      limit: z.int().min(1).max(100).default(10),
      waitMs: z.int().min(0).max(30_000).default(0),
      visibilityMs: z
        .int()
        .min(1_000)
        .max(3_600_000)
        .default(30_000)
        .describe('Unacknowledged so long, another may have it'),
    }),
    status: 200,
    response: z.array(z.object({ id: z.string(), deliveries: z.int(), message: z.json() })),
    errors: [],
    summary: 'Take messages of a stream for a group',
  },
  acknowledgeMessages: {
    method: 'POST',
    path: '/v1/channels/:name/groups/:group/acknowledge',
    auth: 'services',
    params: z.object({ name: coordinationNameSchema, group: coordinationNameSchema }),
    body: z.object({ ids: z.array(z.string().max(64)).min(1).max(1_000) }),
    status: 200,
    response: z.object({ acknowledged: z.int() }),
    errors: [],
    summary: 'Messages were processed',
  },
  listMembers: {
    method: 'GET',
    path: '/v1/channels/:name/members',
    auth: 'services',
    params: byName,
    query: z.object({ limit: coerceInt(1, 10_000).default(1_000) }),
    status: 200,
    response: z.array(z.object({ member: z.string(), identity: z.string(), meta: z.json() })),
    errors: [],
    summary: 'Who is present, and where',
  },
  sendToMember: {
    method: 'POST',
    path: '/v1/channels/:name/members/:member/messages',
    auth: 'services',
    params: z.object({ name: coordinationNameSchema, member: coordinationNameSchema }),
    body: z.object({ message: z.json() }),
    status: 202,
    response: z.object({ delivered: z.int().describe('Connections reached; 0 when the member is nowhere') }),
    errors: [],
    summary: 'A message to one member, wherever it is connected',
  },
} as const satisfies Record<string, Operation>;
