import type { z } from 'zod';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import type { Operation } from '../../shared/contracts/operation.ts';
import { type OperationName, operations } from '../../shared/contracts/operations.ts';
import { buildRequest, type RequestParts } from './build-request.ts';
import { createFailover, parseJson, readText } from './failover.ts';
import { followStream } from './follow-stream.ts';
import type { CallOptions, Operations } from './operation-types.ts';
import { createTransport } from './transport.ts';

export interface ClientOptions {
  /** Controllers, any of which may be asked: `https://host:port`. At least one. */
  readonly urls: readonly string[];
  /** Bearer token. */
  readonly token?: string;
  /** The cluster authority, PEM. Given, no other is trusted; not given, those of the system are. */
  readonly ca?: string;
  /** Ends everything under way; pending calls reject with its reason. */
  readonly signal: AbortSignal;
  /** From sending a request to the head of its answer. Default 15 s, and 6 s for what only reads, as between its parts. */
  readonly answerTimeoutMs?: number;
}

/** The REST API of a cluster; `close()` lets go of idle connections. */
export type Client = Operations & { close(): void };

const defaultAnswerTimeoutMs = 15_000;
/** A frozen controller is left for the next one soon; longer than the 5 s that one waits for the logs of a node. */
const defaultReadTimeoutMs = 6_000;
/** Of one JSON answer: the largest cluster we are made for lists 10 000 instances well below this. */
const maxAnswerBytes = 67_108_864;

/**
 * A client of one cluster with a method for each REST operation. Inputs are checked before anything is sent; refusals are
 * DroverErrors with the code that the controller gave. A controller that gives no answer is left for the next one, and what can
 * be repeated without harm is.
 */
export function createClient(options: ClientOptions): Client {
  const { urls, token, ca, signal } = options;
  const answerTimeoutMs = options.answerTimeoutMs ?? defaultAnswerTimeoutMs;
  const readTimeoutMs = options.answerTimeoutMs ?? defaultReadTimeoutMs;
  if (urls.length === 0) throw new DroverError('ARGUMENT_INVALID', 'A client needs the url of at least one controller');
  const transport = createTransport({ token, ca, answerTimeoutMs, readTimeoutMs });
  const failover = createFailover(urls, transport, readTimeoutMs);

  function call(operation: Operation, parts: RequestParts, options: CallOptions): unknown {
    const callSignal = options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]);
    if (operation.stream === 'sse') {
      return followStream({
        open: (lastEventId, reopened) => {
          const headers = { accept: 'text/event-stream', ...(lastEventId && { 'last-event-id': lastEventId }) };
          return failover.send(buildRequest(operation, reopened === 0 ? parts : withoutBacklog(parts)), {
            signal: callSignal,
            headers,
          });
        },
        schema: operation.response!,
        signal: callSignal,
        onReconnect: options.onReconnect,
      });
    }
    return (async () => {
      const response = await failover.send(buildRequest(operation, parts), { signal: callSignal });
      if (operation.stream === 'binary') return response;
      const text = await readText(response, { maxBytes: maxAnswerBytes, silenceMs: readTimeoutMs }).catch((cause) => {
        if (callSignal.aborted) throw callSignal.reason;
        throw new DroverError('CONTROLLER_UNREACHABLE', `The answer of a controller was cut short: ${cause.message}`, {
          cause,
        });
      });
      return operation.response === undefined ? undefined : parseAnswer(operation.response, text);
    })();
  }

  const methods = Object.fromEntries(
    (Object.keys(operations) as OperationName[]).map((name) => [
      name,
      (parts: RequestParts = {}, options: CallOptions = {}) => call(operations[name], parts, options),
    ]),
  );
  return { ...(methods as unknown as Operations), close: () => transport.close() };
}

/** Lines shown before a stream was cut are not asked for again. */
function withoutBacklog(parts: RequestParts): RequestParts {
  return parts.query !== undefined && 'lines' in parts.query
    ? { ...parts, query: { ...parts.query, lines: 0 } }
    : parts;
}

function parseAnswer(schema: z.ZodType, text: string): unknown {
  const result = schema.safeParse(parseJson(text));
  if (result.success) return result.data;
  throw new DroverError(
    'INTERNAL',
    'A controller answered in another form than its contract; is it of another version?',
    {
      details: { issue: result.error.issues[0]?.message, at: result.error.issues[0]?.path.join('.') },
    },
  );
}
