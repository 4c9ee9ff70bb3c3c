import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { fromProblem, problemSchema } from '../../shared/contracts/problem.ts';
import type { BuiltRequest } from './build-request.ts';
import { type SendOptions, type Transport, UnansweredError } from './transport.ts';

/** Each controller is tried this often before the call fails: the second time meets one that has just been restarted. */
const rounds = 2;
const pauseBetweenRoundsMs = 250;
/** A problem document is small; more is not one of ours. */
const maxProblemBytes = 262_144;

export interface Failover {
  /** Resolves with an answer below 400. @throws DroverError from problem+json, or CONTROLLER_UNREACHABLE. */
  send(request: BuiltRequest, options: SendOptions): Promise<IncomingMessage>;
}

/**
 * Sends each request to the controller that answered last, and to the others in turn when it gives no answer. A request
 * that may have been carried out is repeated only if repeating it is harmless; an answer, good or bad, is final, but for
 * one: that the store cannot be reached may be true of one controller alone.
 */
export function createFailover(urls: readonly string[], transport: Transport, silenceMs: number): Failover {
  let preferred = 0;
  return {
    async send(request, options) {
      const failures = new Map<string, UnansweredError>();
      const cutOff = new Map<number, DroverError>();
      const first = preferred;
      for (let attempt = 0; attempt < urls.length * rounds; attempt++) {
        if (cutOff.size === urls.length) break;
        if (attempt > 0 && attempt % urls.length === 0) {
          await sleep(pauseBetweenRoundsMs, undefined, { signal: options.signal }).catch(() => {
            throw options.signal.reason;
          });
        }
        const index = (first + attempt) % urls.length;
        const url = urls[index]!;
        if (cutOff.has(index)) continue;
        try {
          const response = await transport.send(url, request, options);
          preferred = index;
          if (response.statusCode! < 400) return response;
          const problem = await readProblem(response, { url, silenceMs });
          if (problem.code !== 'STORE_UNREACHABLE') throw problem;
          // Whoever asks again asks another.
          preferred = (index + 1) % urls.length;
          if (!request.repeatable) throw problem;
          cutOff.set(index, problem);
        } catch (error) {
          if (!(error instanceof UnansweredError)) throw error;
          failures.set(url, error);
          if (error.sent && !request.repeatable) throw unknownOutcome(error);
        }
      }
      const [refusal] = cutOff.values();
      throw refusal ?? unreachable([...failures.values()]);
    },
  };
}

function unreachable(failures: readonly UnansweredError[]): DroverError {
  const message = `No controller answers. ${failures.map((failure) => failure.message).join('; ')}. Workers and routes go on without it; "drover doctor" says more.`;
  return new DroverError('CONTROLLER_UNREACHABLE', message, {
    details: { urls: failures.map(({ url }) => url) },
    cause: failures[0],
  });
}

function unknownOutcome(failure: UnansweredError): DroverError {
  const message = `The controller was lost before it answered (${failure.message}), so it may have done what was asked. Look with "drover ls" before you repeat the command.`;
  return new DroverError('CONTROLLER_UNREACHABLE', message, { details: { urls: [failure.url] }, cause: failure });
}

async function readProblem(
  response: IncomingMessage,
  { url, silenceMs }: { readonly url: string; readonly silenceMs: number },
): Promise<DroverError> {
  const body = await readText(response, { maxBytes: maxProblemBytes, silenceMs }).catch(() => '');
  const problem = problemSchema.safeParse(parseJson(body));
  if (problem.success) return fromProblem(problem.data);
  return new DroverError(
    'INTERNAL',
    `${url} answered ${response.statusCode} and not as a Drover controller does; is it another server, or of another version?`,
    { details: { status: response.statusCode, body: body.slice(0, 500) } },
  );
}

export interface ReadTextOptions {
  readonly maxBytes: number;
  /** A controller that sends nothing for so long is not there any more, whether its connection says so or not. */
  readonly silenceMs: number;
}

/** Reads a whole body as text. @throws Error when it is cut short, comes to a standstill, or is too long. */
export async function readText(response: IncomingMessage, { maxBytes, silenceMs }: ReadTextOptions): Promise<string> {
  response.setTimeout(silenceMs, () => response.destroy(new Error(`nothing came for ${silenceMs} ms`)));
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`The answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Parsed JSON, or undefined when it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
