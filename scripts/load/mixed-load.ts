import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoadFigures, LoadTally } from './load-tally.ts';

/**
 * The load of the demo and of the end-to-end tests: requests over kept-alive and over new connections, one slow request
 * always in flight, one large upload always in flight, and one WebSocket with an echo several times a second.
 * A request fails when it gets no complete answer, or one of status 400 and above. A WebSocket fails when it cannot be
 * opened, when it is closed other than by code 1001 or 1012 ("going away", "service restart"), or when an echo is wrong.
 */
export interface MixedLoad {
  figures(): Record<LoadKind, LoadFigures>;
  failed(): number;
  requests(): number;
  /** Lets what is in flight end, then stops. */
  stop(): Promise<Record<LoadKind, LoadFigures>>;
}

export const loadKinds = ['keep-alive', 'new connection', 'slow (2 s)', 'upload', 'websocket'] as const;
export type LoadKind = (typeof loadKinds)[number];

export interface MixedLoadOptions {
  readonly url: string;
  /** Requests per second of the two quick kinds, together. */
  readonly ratePerSecond?: number;
  readonly uploadBytes?: number;
  readonly slowMs?: number;
}

const requestTimeoutMs = 30_000;
const echoIntervalMs = 150;
const quickWorkers = 4;

export function startMixedLoad({
  url,
  ratePerSecond = 200,
  uploadBytes = 8 * 1_048_576,
  slowMs = 2_000,
}: MixedLoadOptions): MixedLoad {
  const stopping = new AbortController();
  const tallies = Object.fromEntries(loadKinds.map((kind) => [kind, new LoadTally()])) as Record<LoadKind, LoadTally>;
  const keepAlive = new Agent({ keepAlive: true, maxSockets: quickWorkers });
  const pauseMs = (1_000 * quickWorkers * 2) / ratePerSecond;
  const chunk = Buffer.alloc(65_536, 'u');

  const once = async (kind: LoadKind, path: string, options: { agent: Agent | false; body?: number }) => {
    const startedMs = performance.now();
    try {
      const { version, status } = await exchange(new URL(path, url), options.agent, options.body ?? 0, chunk);
      if (status >= 400) tallies[kind].failed(`${path} answered ${status}`);
      else tallies[kind].succeeded(performance.now() - startedMs, version);
    } catch (error) {
      tallies[kind].failed(
        `${path}: ${(error as Error).message} after ${Math.round(performance.now() - startedMs)} ms`,
      );
    }
  };
  const repeat = async (pause: number, act: () => Promise<void>) => {
    while (!stopping.signal.aborted) {
      await act();
      if (pause > 0)
        await sleep(pause * (0.5 + Math.random()), undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };

  const running = [
    ...Array.from({ length: quickWorkers }, () => repeat(pauseMs, () => once('keep-alive', '/', { agent: keepAlive }))),
    ...Array.from({ length: quickWorkers }, () => repeat(pauseMs, () => once('new connection', '/', { agent: false }))),
    repeat(0, () => once('slow (2 s)', `/slow?ms=${slowMs}`, { agent: false })),
    repeat(100, () => once('upload', '/upload', { agent: false, body: uploadBytes })),
    repeat(0, () => converse(url.replace(/^http/, 'ws'), tallies.websocket, stopping.signal)),
  ];
  const figures = () =>
    Object.fromEntries(loadKinds.map((kind) => [kind, tallies[kind].figures()])) as Record<LoadKind, LoadFigures>;
  const sum = (field: 'failed' | 'requests') =>
    Object.values(figures()).reduce((total, kind) => total + kind[field], 0);
  return {
    figures,
    failed: () => sum('failed'),
    requests: () => sum('requests'),
    async stop() {
      stopping.abort();
      await Promise.all(running);
      keepAlive.destroy();
      return figures();
    },
  };
}

async function exchange(
  url: URL,
  agent: Agent | false,
  bodyBytes: number,
  chunk: Buffer,
): Promise<{ status: number; version: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing: ClientRequest = request(
    url,
    { agent, method: bodyBytes > 0 ? 'POST' : 'GET', timeout: requestTimeoutMs },
    resolve,
  );
  outgoing.on('error', reject);
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${requestTimeoutMs} ms`)));
  if (bodyBytes > 0) await upload(outgoing, bodyBytes, chunk, promise);
  else outgoing.end();
  const response = await promise;
  let text = '';
  for await (const part of response) if (text.length < 4_096) text += part;
  if (!response.complete) throw new Error('the answer was cut off');
  return { status: response.statusCode ?? 0, version: versionOf(text) };
}

async function upload(
  outgoing: ClientRequest,
  bytes: number,
  chunk: Buffer,
  answered: Promise<unknown>,
): Promise<void> {
  const settled = answered.then(
    () => undefined,
    () => undefined,
  );
  for (let sent = 0; sent < bytes && !outgoing.destroyed; sent += chunk.length) {
    if (outgoing.write(chunk)) continue;
    const drained = Promise.withResolvers<void>();
    const onDrain = () => drained.resolve();
    outgoing.once('drain', onDrain);
    await Promise.race([drained.promise, settled]);
    outgoing.off('drain', onDrain);
  }
  outgoing.end();
}

function versionOf(text: string): string {
  try {
    return String((JSON.parse(text) as { version?: unknown }).version ?? 'unknown');
  } catch {
    return 'unknown';
  }
}

const cleanCloses = [1000, 1001, 1012];

/** One WebSocket from opening to closing, with an echo all the while. */
async function converse(url: string, tally: LoadTally, signal: AbortSignal): Promise<void> {
  const socket = new WebSocket(new URL('/', url));
  const closed = Promise.withResolvers<void>();
  let sentAtMs = 0;
  let expected = '';
  let opened = false;
  const timer = setInterval(() => {
    if (!opened || expected !== '') return;
    expected = `echo ${Math.random()}`;
    sentAtMs = performance.now();
    socket.send(expected);
  }, echoIntervalMs);
  socket.onopen = () => {
    opened = true;
  };
  socket.onmessage = ({ data }) => {
    if (data === expected) tally.succeeded(performance.now() - sentAtMs, 'echo');
    else if (typeof data === 'string' && data.startsWith('echo'))
      tally.failed(`echo "${data}" in place of "${expected}"`);
    expected = '';
  };
  socket.onclose = ({ code }) => {
    if (!opened) tally.failed('could not be opened');
    else if (!signal.aborted && !cleanCloses.includes(code)) tally.failed(`closed with code ${code}`);
    closed.resolve();
  };
  const finish = () => socket.close(1000);
  signal.addEventListener('abort', finish, { once: true });
  await closed.promise;
  signal.removeEventListener('abort', finish);
  clearInterval(timer);
}
