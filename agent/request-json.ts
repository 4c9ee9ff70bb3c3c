import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { DroverError } from '../shared/contracts/drover-error.ts';
import { fromProblem, problemSchema } from '../shared/contracts/problem.ts';

/** For the connection and for silence in between; a controller that is well answers in a few milliseconds. */
const idleTimeoutMs = 10_000;

/** No JSON answer that an agent asks for is near this. */
const maxAnswerBytes = 1_048_576;

export interface ControllerRequest {
  readonly url: URL;
  readonly method: string;
  readonly body?: unknown;
  readonly tls: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized'>;
  readonly signal?: AbortSignal;
}

/**
 * One request to a controller, answered with parsed JSON.
 *
 * @throws DroverError what the controller answered, or CONTROLLER_UNREACHABLE.
 */
export async function requestJson(options: ControllerRequest): Promise<unknown> {
  const text = await readText(await openResponse(options));
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { origin } = options.url;
    throw new DroverError('CONTROLLER_UNREACHABLE', `${origin} answers, but it is no controller. Check the URL`, {
      cause,
    });
  }
}

/** The same, with the body as a stream; a status other than 2xx is an error as above. */
export async function openResponse(options: ControllerRequest): Promise<IncomingMessage> {
  const { url, method, body, tls, signal } = options;
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request(
    url,
    {
      method,
      ...tls,
      // One connection per call: agents call seldom, and a kept one may have died unnoticed.
      agent: false,
      timeout: idleTimeoutMs,
      ...(signal === undefined ? {} : { signal }),
      headers:
        payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
    },
    resolve,
  );
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${idleTimeoutMs} ms`)));
  outgoing.on('error', reject);
  outgoing.end(payload);
  let response: IncomingMessage;
  try {
    response = await promise;
  } catch (error) {
    throw unreachable(url, error as Error);
  }
  if ((response.statusCode ?? 0) >= 200 && (response.statusCode ?? 0) < 300) return response;
  throw readProblem(url, response.statusCode, await readText(response));
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new DroverError('INTERNAL', `An answer is larger than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readProblem(url: URL, status: number | undefined, text: string): DroverError {
  try {
    return fromProblem(problemSchema.parse(JSON.parse(text)));
  } catch {
    return new DroverError('CONTROLLER_UNREACHABLE', `${url.origin} answered ${status} and no problem of ours`);
  }
}

function unreachable(url: URL, cause: Error): DroverError {
  return new DroverError(
    'CONTROLLER_UNREACHABLE',
    `The controller at ${url.origin} cannot be reached: ${cause.message}. Check the URL, and that it runs`,
    { cause },
  );
}
