import { type ErrorCode, errorRegistry } from './error-code.ts';

/** One offending place in an input: where, why, and what would be accepted. */
export interface ErrorIssue {
  readonly path: string;
  readonly reason: string;
  readonly allowed?: string;
}

export interface DroverErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>;
  readonly issues?: readonly ErrorIssue[];
  readonly cause?: unknown;
}

/** The only error class that crosses a boundary of ours. The message says what happened, to what, and what to do next. */
export class DroverError extends Error {
  override readonly name = 'DroverError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly issues: readonly ErrorIssue[];

  constructor(code: ErrorCode, message: string, options: DroverErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.issues = options.issues ?? [];
  }

  get status(): number {
    return errorRegistry[this.code].status;
  }

  get exitCode(): number {
    return errorRegistry[this.code].exit;
  }

  get retryable(): boolean {
    return errorRegistry[this.code].retryable;
  }
}

export function isDroverError(error: unknown): error is DroverError {
  return error instanceof DroverError;
}
