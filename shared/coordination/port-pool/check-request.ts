import { z } from 'zod';

import { DroverError } from '../../contracts/drover-error.ts';
import { toIssues } from '../../contracts/issues.ts';

/** 100 ports of each of a few pools: more for one caller is a mistake, and scripts stay short. */
export const maxPortsPerPool = 100;
/** One allocation is a device or a stream; its pools are counted on the fingers. */
const maxPoolsPerHost = 32;

const poolName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9 and -, a letter first');
const portNumber = z.int().min(1).max(65_535);
const range = z
  .object({ from: portNumber, to: portNumber, udp: z.boolean().optional() })
  .refine(({ from, to }) => from <= to, 'from must not be above to');
const line = (maxChars: number) =>
  z
    .string()
    .max(maxChars)
    .regex(/^[^\n\r]*$/, 'must be one line')
    .refine((text) => text.isWellFormed(), 'must be well-formed text');

const poolsSchema = z.object({
  host: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be a host name'),
  pools: z.record(poolName, range).refine((pools) => Object.keys(pools).length <= maxPoolsPerHost, 'are too many'),
  quarantineMs: z.int().min(0).max(3_600_000),
  ownerTtlMs: z.int().min(300).max(600_000),
});

const requestSchema = z.object({
  counts: z
    .record(poolName, z.int().min(1).max(maxPortsPerPool))
    .refine((counts) => Object.keys(counts).length > 0, 'must name a pool'),
  requestId: z.string().regex(/^[\x21-\x7e]{8,128}$/, 'must be 8 to 128 visible ASCII characters'),
  owner: line(200),
});

/** @throws DroverError ARGUMENT_INVALID */
export function checkPools(pools: z.input<typeof poolsSchema>): void {
  check(poolsSchema, pools, 'The port pools');
}

/** @throws DroverError ARGUMENT_INVALID */
export function checkRequest(request: z.input<typeof requestSchema>): void {
  if (isPlainlyRight(request)) return;
  check(requestSchema, request, 'The request for ports');
}

/** By hand, because this is asked for each allocation; where it says no, the schema says why. */
function isPlainlyRight({ counts, requestId, owner }: z.input<typeof requestSchema>): boolean {
  if (owner !== '' || !/^[0-9a-f-]{36}$/.test(requestId)) return false;
  const pools = Object.keys(counts);
  return pools.length > 0 && pools.every((pool) => /^[a-z]{1,32}$/.test(pool) && isCount(counts[pool]));
}

function isCount(count: number | undefined): boolean {
  return Number.isInteger(count) && count! >= 1 && count! <= maxPortsPerPool;
}

function check<T>(schema: z.ZodType<T>, value: unknown, what: string): void {
  const parsed = schema.safeParse(value);
  if (parsed.success) return;
  throw new DroverError('ARGUMENT_INVALID', `${what} cannot be read`, { issues: toIssues(parsed.error) });
}
