import { z } from 'zod';

/** Names of locks, jobs, channels and the like. */
export const coordinationNameSchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\s\p{Cc}]+$/u, 'must be 1 to 200 characters without spaces or control characters');

/**
 * A secret of the caller's making, such as a UUID: the same again makes a retry safe, and only who knows it may renew or
 * give back.
 */
export const holderSchema = z
  .string()
  .min(16)
  .max(128)
  .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII, at least 16 characters');

export const identitySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters without spaces')
  .describe('Who asks, for people: host/instance');

/** How long something is kept without a word from its holder. */
export const ttlSchema = z.int().min(100).max(3_600_000);

export const byName = z.object({ name: coordinationNameSchema });

export const coerceInt = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

export const listQuery = z.object({
  match: z.string().max(200).optional().describe('Part of the name'),
  limit: coerceInt(1, 1_000).default(100),
});
