import { z } from 'zod';
import { DroverError } from './drover-error.ts';
import { type ErrorCode, errorRegistry } from './error-code.ts';

/** RFC 9457 problem details, as every REST error is answered (`application/problem+json`). */
export const problemSchema = z.object({
  type: z.string().describe('URI reference of the error page, `/docs/errors#CODE`'),
  title: z.string(),
  status: z.int(),
  code: z.enum(Object.keys(errorRegistry) as [ErrorCode, ...ErrorCode[]]),
  detail: z.string(),
  retryable: z.boolean(),
  instance: z.string().optional().describe('Id of the request, as in the log of the controller'),
  issues: z.array(z.object({ path: z.string(), reason: z.string(), allowed: z.string().optional() })).optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});

export type Problem = z.infer<typeof problemSchema>;

export function toProblem(error: DroverError, requestId?: string): Problem {
  const row = errorRegistry[error.code];
  return {
    type: `/docs/errors#${error.code}`,
    title: row.summary,
    status: row.status,
    code: error.code,
    detail: error.message,
    retryable: row.retryable,
    ...(requestId === undefined ? {} : { instance: requestId }),
    ...(error.issues.length === 0 ? {} : { issues: error.issues.map((issue) => ({ ...issue })) }),
    ...(Object.keys(error.details).length === 0 ? {} : { details: { ...error.details } }),
  };
}

export function fromProblem(problem: Problem): DroverError {
  return new DroverError(problem.code, problem.detail, {
    ...(problem.details === undefined ? {} : { details: problem.details }),
    ...(problem.issues === undefined
      ? {}
      : {
          issues: problem.issues.map(({ path, reason, allowed }) =>
            allowed === undefined ? { path, reason } : { path, reason, allowed },
          ),
        }),
  });
}
