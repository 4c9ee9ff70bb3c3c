import { z } from 'zod';
import type { Operation } from '../operation.ts';
import { coerceInt, holderSchema, identitySchema } from './fields.ts';

export const poolUsageSchema = z.object({
  host: z.string(),
  pool: z.string(),
  from: z.int(),
  to: z.int(),
  free: z.int(),
  leased: z.int(),
  quarantined: z.int(),
  foreign: z.int(),
  orphaned: z.int(),
});

export const portViewSchema = z.object({
  host: z.string(),
  pool: z.string(),
  port: z.int(),
  state: z.enum(['leased', 'quarantined', 'foreign', 'orphaned']),
  allocationId: z.string().nullable(),
  owner: z.string().nullable(),
  identity: z.string().nullable(),
  ageMs: z.int().nullable(),
  untilMs: z.int().nullable().describe('How much longer it stays so by itself'),
});

export const portAllocationSchema = z.object({
  id: z.string(),
  host: z.string(),
  owner: z.string().nullable(),
  token: z.int(),
  ports: z.record(z.string(), z.array(z.int())),
  expiresInMs: z.int().describe('Unless the participant says that it lives'),
});

export const portOperations = {
  getPortUsage: {
    method: 'GET',
    path: '/v1/ports/pools',
    auth: 'services',
    query: z.object({ host: z.string().max(128).optional() }),
    status: 200,
    response: z.array(poolUsageSchema),
    errors: [],
    summary: 'Port pools of each host, and how full they are',
  },
  listPorts: {
    method: 'GET',
    path: '/v1/ports',
    auth: 'services',
    query: z.object({ host: z.string().max(128).optional(), pool: z.string().max(64).optional() }),
    status: 200,
    response: z.array(portViewSchema),
    errors: [],
    summary: 'Ports that are not free, and why',
  },
  declarePools: {
    method: 'PUT',
    path: '/v1/ports/pools/:host',
    auth: 'services',
    params: z.object({ host: z.string().min(1).max(128) }),
    body: z.object({
      participant: holderSchema,
      identity: identitySchema,
      pools: z.record(
        z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
        z.object({ from: z.int().min(1).max(65_535), to: z.int().min(1).max(65_535) }),
      ),
    }),
    status: 200,
    response: z.array(poolUsageSchema),
    errors: ['POOL_CONFLICT'],
    summary: 'Declare the pools of a host, as a participant on it',
  },
  allocatePorts: {
    method: 'POST',
    path: '/v1/ports/allocations',
    auth: 'services',
    body: z.object({
      host: z.string().min(1).max(128),
      participant: holderSchema.describe('Says that it lives with keepPorts; else its ports become orphans'),
      identity: identitySchema,
      requestId: z.string().min(8).max(128).describe('The same again has the same ports'),
      owner: z.string().max(200).optional(),
      sticky: z.boolean().default(false),
      count: z.record(z.string(), z.int().min(1).max(100)).describe('How many of each pool; all or nothing'),
    }),
    status: 201,
    response: portAllocationSchema,
    errors: ['POOL_NOT_FOUND', 'PORTS_EXHAUSTED'],
    summary: 'Take ports of one or more pools; bind them at once, and report those that somebody else has',
  },
  keepPorts: {
    method: 'POST',
    path: '/v1/ports/participants/:participant/keep',
    auth: 'services',
    params: z.object({ participant: holderSchema }),
    body: z.object({ host: z.string().min(1).max(128) }),
    status: 200,
    response: z.object({ expiresInMs: z.int() }),
    errors: ['LEASE_LOST'],
    summary: 'The participant lives: all its ports stay its own',
  },
  releasePorts: {
    method: 'DELETE',
    path: '/v1/ports/allocations/:id',
    auth: 'services',
    params: z.object({ id: z.string().min(1).max(128) }),
    query: z.object({
      host: z.string().min(1).max(128),
      token: coerceInt(1, Number.MAX_SAFE_INTEGER),
      foreign: z.string().max(1_000).optional().describe('Ports of it that a stranger listens on, with commas'),
    }),
    status: 204,
    errors: ['ALLOCATION_NOT_FOUND'],
    summary: 'Give ports back; they rest before they are given again',
  },
} as const satisfies Record<string, Operation>;
