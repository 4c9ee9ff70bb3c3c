import { z } from 'zod';
import type { Operation } from '../operation.ts';
import { byName, coerceInt, holderSchema, identitySchema, listQuery, ttlSchema } from './fields.ts';

export const lockViewSchema = z.object({
  name: z.string(),
  kind: z.enum(['lock', 'read', 'write', 'semaphore']),
  holders: z.array(
    z.object({
      identity: z.string(),
      token: z.int().describe('The fencing token'),
      ageMs: z.int(),
      expiresInMs: z.int().describe('Unless it is renewed'),
    }),
  ),
  waiters: z.array(
    z.object({ identity: z.string(), kind: z.enum(['lock', 'read', 'write', 'semaphore']), waitingMs: z.int() }),
  ),
});

export const lockGrantSchema = z.object({
  name: z.string(),
  token: z.int().describe('The fencing token: send it along with each write'),
  expiresInMs: z.int().describe('Renew before, counted from when the request was sent'),
});

export const lockOperations = {
  listLocks: {
    method: 'GET',
    path: '/v1/locks',
    auth: 'services',
    query: listQuery,
    status: 200,
    response: z.array(lockViewSchema),
    errors: [],
    summary: 'Locks, read-write locks and semaphores that are held or waited for',
  },
  acquireLock: {
    method: 'POST',
    path: '/v1/locks/:name/acquire',
    auth: 'services',
    params: byName,
    body: z.object({
      holder: holderSchema,
      identity: identitySchema,
      ttlMs: ttlSchema.default(10_000),
      waitMs: z.int().min(0).max(30_000).default(0).describe('Waits in line so long; ask again with the same holder'),
    }),
    status: 200,
    response: lockGrantSchema,
    errors: ['LOCK_TIMEOUT'],
    summary: 'Take a lock, first come, first served',
  },
  renewLock: {
    method: 'POST',
    path: '/v1/locks/:name/renew',
    auth: 'services',
    params: byName,
    body: z.object({ holder: holderSchema, ttlMs: ttlSchema.default(10_000) }),
    status: 200,
    response: lockGrantSchema,
    errors: ['LEASE_LOST'],
    summary: 'Keep a lock; each third of its ttl is a good time',
  },
  releaseLock: {
    method: 'POST',
    path: '/v1/locks/:name/release',
    auth: 'services',
    params: byName,
    body: z.object({ holder: holderSchema }),
    status: 204,
    errors: [],
    summary: 'Give a lock back, or stop waiting for it; once more does no harm',
  },
  breakLock: {
    method: 'DELETE',
    path: '/v1/locks/:name',
    auth: 'token',
    params: byName,
    query: z.object({ token: coerceInt(1, Number.MAX_SAFE_INTEGER).describe('Of the holder to be put out') }),
    status: 204,
    errors: ['LOCK_NOT_FOUND'],
    summary: 'Take a lock from its holder, who is told by its next renewal',
  },
} as const satisfies Record<string, Operation>;
