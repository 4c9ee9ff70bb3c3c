import type { ShimErrorCode } from './protocol.ts';

/** A request that a shim has refused. Nothing was changed. */
export class RequestError extends Error {
  readonly code: ShimErrorCode;

  constructor(code: ShimErrorCode, message: string) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
  }
}
