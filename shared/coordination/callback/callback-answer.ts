import { DroverError } from '../../contracts/drover-error.ts';

/** What a handler answers. */
export interface CallbackResponse {
  /** 200 to 599; default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string is stored as UTF-8; default empty. */
  readonly body?: Buffer | string;
}

/** What is stored and replayed byte for byte. */
export interface CallbackAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** As the answer is kept, in Redis and in the database: text, so that every client reads it, with the body as base64. */
interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** @throws DroverError ARGUMENT_INVALID when it is no answer or larger than `maxResultBytes` (headers and body together) */
export function encodeAnswer(response: CallbackResponse | undefined, maxResultBytes: number): string {
  const { status = 200, headers = {}, body = '' } = response ?? {};
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw invalid('response.status', `must be an HTTP status of an answer, got ${status}`, '200 to 599');
  }
  const isText = typeof body === 'string';
  if (!isText && !Buffer.isBuffer(body)) throw invalid('response.body', 'must be a Buffer or a string', undefined);
  let bytes = isText ? Buffer.byteLength(body) : body.length;
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') throw invalid(`response.headers.${name}`, 'must be a string', undefined);
    bytes += name.length + value.length;
  }
  if (bytes > maxResultBytes) {
    throw invalid('response.body', `headers and body are ${bytes} bytes`, `at most ${maxResultBytes} (maxResultBytes)`);
  }
  const buffer = isText ? Buffer.from(body) : body;
  return JSON.stringify({ status, headers, body: buffer.toString('base64') } satisfies StoredAnswer);
}

export function decodeAnswer(text: string): CallbackAnswer {
  const { status, headers, body } = JSON.parse(text) as StoredAnswer;
  return { status, headers, body: Buffer.from(body, 'base64') };
}

function invalid(path: string, reason: string, allowed: string | undefined): DroverError {
  return new DroverError('ARGUMENT_INVALID', `The answer of a callback cannot be stored: ${path} ${reason}.`, {
    issues: [{ path, reason, ...(allowed === undefined ? {} : { allowed }) }],
  });
}
