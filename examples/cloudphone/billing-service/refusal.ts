import type { z } from 'zod';

/** A request that is answered with an error: what happened, to what, and what is allowed. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, code: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }

  get body(): Record<string, unknown> {
    return { error: this.code, message: this.message, ...this.details };
  }
}

/**
 * Reads input. Each field of a schema says what it allows as its error message.
 * @throws Refusal 400 that names each field which does not fit
 */
export function readInput<Schema extends z.ZodType>(schema: Schema, input: unknown): z.infer<Schema> {
  const read = schema.safeParse(input);
  if (read.success) return read.data;
  const issues = read.error.issues.map(({ path, message }) => {
    const isMissing = path.reduce<unknown>((value, name) => (value as never)?.[name], input) === undefined;
    return { field: path.join('.') || 'body', reason: isMissing ? 'is missing' : 'is not allowed', allowed: message };
  });
  const message = issues.map(({ field, reason, allowed }) => `${field} ${reason}; allowed is ${allowed}`).join('. ');
  throw new Refusal(400, 'INPUT_INVALID', `${message}.`, { issues });
}
