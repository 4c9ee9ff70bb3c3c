import { z } from 'zod';
import { type Reader, Refusal, readDuration } from '../shared/contracts/ecosystem/read-value.ts';
import type { OptionDefinition } from './command.ts';

/** Schemas of option values, which arrive as texts. */
export const flag = z.boolean().default(false);
export const text = z.string().min(1).optional();

/** "10s", "2m" or milliseconds. */
export const duration = fromReader(readDuration);

export function wholeNumber(min: number, max: number) {
  return z.coerce.number('must be a whole number').int('must be a whole number').min(min).max(max);
}

/** "a,b" as ["a", "b"]. */
export const commaList = z
  .string()
  .transform((value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  )
  .pipe(z.array(z.string()).min(1, 'names nothing'));

/** Repeated `key=value` as one record. */
export const keyValues = z.array(z.string()).transform((pairs, context) => {
  const record: Record<string, string> = {};
  for (const pair of pairs) {
    const split = pair.indexOf('=');
    if (split < 1) context.addIssue({ code: 'custom', message: `"${pair}" must read key=value` });
    else record[pair.slice(0, split)] = pair.slice(split + 1);
  }
  return record;
});

/** "20000-20999". */
export const portRange = z
  .string()
  .regex(/^\d{4,5}-\d{4,5}$/, 'must read from-to, like 20000-20999')
  .transform((value) => {
    const [from = 0, to = 0] = value.split('-').map(Number);
    return { from, to };
  })
  .refine(
    ({ from, to }) => from >= 1_024 && to <= 65_535 && from <= to,
    'must lie in 1024-65535 and not end before it begins',
  );

function fromReader<T>(reader: Reader<T>) {
  return z.string().transform((value, context): T => {
    const result = reader(value);
    if (!(result instanceof Refusal)) return result;
    context.addIssue({ code: 'custom', message: `${result.reason}: give ${result.allowed}` });
    return z.NEVER;
  });
}

/** Options of every command that starts a change and follows it. */
export const followOptions = {
  detach: { flags: '--detach', summary: 'Return as soon as the cluster has accepted the change', schema: flag },
  timeout: {
    flags: '--timeout <duration>',
    summary: 'Stop following after this long; the change goes on (exit code 130)',
    schema: duration.optional(),
  },
} as const satisfies Record<string, OptionDefinition>;
