import { z } from 'zod';
import type { Operation } from '../operation.ts';
import { coerceInt, holderSchema, identitySchema } from './fields.ts';

const hostSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be a host name');
const poolSchema = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9 and -, a letter first');
const portSchema = z.int().min(1).max(65_535);
const portsSchema = z.record(poolSchema, z.array(portSchema).min(1).max(100));
/** How long a participant counts as alive without a word. */
const participantTtlSchema = z.int().min(300).max(600_000).default(30_000);
const requestIdSchema = z
  .string()
  .regex(/^[\x21-\x7e]{8,128}$/, 'must be 8 to 128 visible ASCII characters')
  .describe('Id of the allocation; the same again has the same ports');
const byHost = z.object({ host: hostSchema });

export const poolUsageSchema = z.object({
  host: z.string(),
  pool: z.string(),
  from: z.int(),
  to: z.int(),
  size: z.int().describe('free + leased + quarantined + foreign + orphaned'),
  free: z.int(),
  leased: z.int(),
  quarantined: z.int().describe('Given back a moment ago, not given out yet'),
  foreign: z.int().describe('A stranger listens on it'),
  orphaned: z.int().describe('Its holder is gone, and the host has not confirmed yet that nobody listens'),
  nextFreeInMs: z.int().nullable(),
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
  token: z.int().describe('Grows each time that the allocation changes hands'),
  ports: z.record(z.string(), z.array(z.int())),
});

export const portOperations = {
  getPortUsage: {
    method: 'GET',
    path: '/v1/ports/pools',
    auth: 'services',
    query: z.object({ host: hostSchema.optional() }),
    status: 200,
    response: z.array(poolUsageSchema),
    errors: [],
    summary: 'Port pools of each host, and how full they are',
  },
  listPorts: {
    method: 'GET',
    path: '/v1/ports',
    auth: 'services',
    query: z.object({ host: hostSchema.optional(), pool: poolSchema.optional() }),
    status: 200,
    response: z.array(portViewSchema),
    errors: [],
    summary: 'Ports that are not free, and why',
  },
  declarePools: {
    method: 'PUT',
    path: '/v1/ports/hosts/:host/pools',
    auth: 'services',
    params: byHost,
    body: z.object({
      participant: holderSchema.describe('Who takes ports there; says that it lives with keepPorts'),
      ttlMs: participantTtlSchema,
      pools: z.record(poolSchema, z.object({ from: portSchema, to: portSchema })),
    }),
    status: 200,
    response: z.array(poolUsageSchema),
    errors: ['POOL_CONFLICT'],
    summary: 'Declare the pools of a host, as a participant on it',
  },
  keepPorts: {
    method: 'POST',
    path: '/v1/ports/hosts/:host/keep',
    auth: 'services',
    params: byHost,
    body: z.object({ participant: holderSchema, ttlMs: participantTtlSchema }),
    status: 204,
    errors: ['LEASE_LOST'],
    summary: 'The participant lives: all its ports stay its own',
  },
  allocatePorts: {
    method: 'POST',
    path: '/v1/ports/hosts/:host/allocations',
    auth: 'services',
    params: byHost,
    body: z.object({
      participant: holderSchema,
      identity: identitySchema,
      requestId: requestIdSchema,
      owner: z.string().max(200).default('').describe('For whom, such as a device'),
      sticky: z.boolean().default(false).describe('The owner gets what it had last, where nobody else had it since'),
      count: z.record(poolSchema, z.int().min(1).max(100)).describe('How many of each pool; all or nothing'),
    }),
    status: 201,
    response: portAllocationSchema,
    errors: ['POOL_NOT_FOUND', 'PORTS_EXHAUSTED', 'LEASE_LOST'],
    summary: 'Take ports of one or more pools; bind them at once, and report those that a stranger has',
  },
  replacePorts: {
    method: 'POST',
    path: '/v1/ports/hosts/:host/allocations/:id/replace',
    auth: 'services',
    params: byHost.extend({ id: requestIdSchema }),
    body: z.object({ token: z.int().min(1), foreign: portsSchema.describe('Ports of it that a stranger listens on') }),
    status: 200,
    response: portAllocationSchema,
    errors: ['PORTS_EXHAUSTED', 'ALLOCATION_NOT_FOUND'],
    summary: 'Take other ports for those that a stranger has; these are left alone for a minute',
  },
  releasePorts: {
    method: 'DELETE',
    path: '/v1/ports/hosts/:host/allocations/:id',
    auth: 'services',
    params: byHost.extend({ id: requestIdSchema }),
    query: z.object({
      token: coerceInt(1, Number.MAX_SAFE_INTEGER),
      quarantineMs: coerceInt(0, 3_600_000).default(60_000).describe('How long they rest before they are given again'),
    }),
    status: 204,
    errors: ['ALLOCATION_NOT_FOUND'],
    summary: 'Give ports back; stop listening first',
  },
} as const satisfies Record<string, Operation>;
