import type { FastifyInstance, FastifyReply } from 'fastify';
import type { z } from 'zod';

/** A request that is answered with an error: what happened, to what, and what is allowed. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** When it is worth to ask again, if ever. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    { retryAfterSeconds, ...details }: Readonly<Record<string, unknown>> & { retryAfterSeconds?: number } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfterSeconds = retryAfterSeconds;
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

/**
 * Answers every error as `{ error, message, … }`: refusals as they are, what fastify refuses by its status, and anything
 * else as 500 without a word of what is inside, which goes to the log instead.
 */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: Error & { statusCode?: number; code?: string }, request, reply) => {
    if (error instanceof Refusal) return answerRefusal(reply, error);
    const { statusCode = 500, code = 'REQUEST_INVALID', message } = error;
    if (statusCode < 500) return reply.code(statusCode).send({ error: code, message });
    console.error(`${request.method} ${request.routeOptions.url ?? 'unknown route'}: ${error.stack ?? message}`);
    return reply.code(500).send({ error: 'INTERNAL', message: 'This failed here; the log of the service says why.' });
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0];
    return reply.code(404).send({ error: 'NOT_FOUND', message: `There is no ${request.method} ${path}.`, path });
  });
}

function answerRefusal(reply: FastifyReply, { status, code, message, details, retryAfterSeconds }: Refusal) {
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(status).send({ error: code, message, ...details });
}
