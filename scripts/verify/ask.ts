import { setTimeout as sleep } from 'node:timers/promises';

export interface Question {
  readonly method?: string;
  readonly json?: unknown;
  /** Sent as a form. */
  readonly form?: Readonly<Record<string, string>>;
  readonly bytes?: Uint8Array;
  /** The second half of the body leaves so much later than the first: so long the request is under way at least. */
  readonly bodyOverMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The body as JSON; an empty object when it is none. */
  readonly body: Record<string, unknown>;
}

/** Counts what clients see: requests, and those that got no answer or one that blames the platform. */
export interface AskTally {
  requests: number;
  readonly failures: string[];
}

export type Ask = (url: string, question?: Question) => Promise<Answer>;

/** Above the half minute for which services wait for others. */
const answerTimeoutMs = 45_000;
/**
 * A host that is killed is out of the routes after a second or two, and its work is elsewhere soon after. But a device that was
 * being made there waits for the host.
 */
const patienceMs = 120_000;
const pauseMs = 200;

/**
 * Asks as a client does who repeats what failed: no answer, or one of status 500 and above. Each failure is counted, also
 * when the repetition succeeds.
 */
export function createAsk(tally: AskTally): Ask {
  return async (url, question = {}) => {
    const giveUpAtMs = performance.now() + patienceMs;
    for (;;) {
      tally.requests += 1;
      const answer = await askOnce(url, question).catch((error: Error) => describeFetchError(error));
      if (typeof answer !== 'string' && answer.status < 500) return answer;
      const what = typeof answer === 'string' ? answer : `${answer.status} ${answer.text.slice(0, 120)}`;
      const at = new Date().toISOString().slice(11, 23);
      tally.failures.push(`${at} ${question.method ?? methodOf(question)} ${url}: ${what}`);
      if (performance.now() > giveUpAtMs) throw new Error(tally.failures.at(-1));
      await sleep(pauseMs);
    }
  };
}

/** One request. @throws when there is no whole answer */
export async function askOnce(url: string, question: Question = {}): Promise<Answer> {
  const { bodyOverMs, headers = {} } = question;
  const body = bodyOf(question);
  const response = await fetch(url, {
    method: question.method ?? methodOf(question),
    headers: { ...typeOf(question), ...headers },
    signal: AbortSignal.timeout(answerTimeoutMs),
    ...(body === undefined ? {} : { body }),
    ...(body === undefined || bodyOverMs === undefined ? {} : { body: inTwoHalves(body, bodyOverMs), duplex: 'half' }),
  });
  const text = await response.text();
  return { status: response.status, text, body: parse(text) };
}

function methodOf({ json, form, bytes }: Question): string {
  if (bytes !== undefined) return 'PUT';
  return json === undefined && form === undefined ? 'GET' : 'POST';
}

function typeOf({ json, form, bytes }: Question): Record<string, string> {
  if (json !== undefined) return { 'content-type': 'application/json' };
  if (form !== undefined) return { 'content-type': 'application/x-www-form-urlencoded' };
  return bytes === undefined ? {} : { 'content-type': 'application/octet-stream' };
}

function bodyOf({ json, form, bytes }: Question): Uint8Array<ArrayBuffer> | undefined {
  if (bytes !== undefined) return Uint8Array.from(bytes);
  if (json === undefined && form === undefined) return undefined;
  return new TextEncoder().encode(json === undefined ? `${new URLSearchParams(form)}` : JSON.stringify(json));
}

function inTwoHalves(body: Uint8Array, apartMs: number): ReadableStream<Uint8Array> {
  const middle = body.length >> 1;
  const halves = async function* () {
    yield body.subarray(0, middle);
    await sleep(apartMs);
    yield body.subarray(middle);
  };
  return ReadableStream.from(halves());
}

function parse(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) as Record<string, unknown> | null) ?? {};
  } catch {
    return {};
  }
}

/** `fetch` keeps the reason in the cause. */
export function describeFetchError(error: Error & { readonly cause?: unknown }): string {
  const { cause } = error;
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
}
