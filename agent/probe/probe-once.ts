import { createConnection, isIPv6 } from 'node:net';
import type { Probe } from '../../shared/contracts/spec.ts';

export interface ProbeTarget {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/** Null when all is well, otherwise a sentence that says what came instead. */
export type ProbeAnswer = string | null;

/** As much of a body as helps to see what is wrong, and little enough for an event. */
const maxBodyBytes = 200;

/** Room for any head of a worker, and for that much of a body after it. */
const maxAnswerBytes = 16_384;

/** Asks a worker once. Never throws. */
export function probeOnce(probe: Probe, target: ProbeTarget): Promise<ProbeAnswer> {
  return probe.type === 'http' ? probeHttp(probe, target) : probeTcp(target);
}

/**
 * One request on a connection of its own, so that a kept one cannot hide a full backlog; written by hand, because probes
 * are most of what an idle agent does and a client of Node costs three times as much. The answer is read to its end: a
 * worker whose client leaves early may log that as an error.
 */
function probeHttp(probe: Probe & { type: 'http' }, { address, port, timeoutMs }: ProbeTarget): Promise<ProbeAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
  const what = `GET ${probe.path}`;
  const host = isIPv6(address) ? `[${address}]` : address;
  const socket = createConnection({ host: address, port });
  const timer = setTimeout(() => resolve(`${what} gave no answer within ${timeoutMs} ms`), timeoutMs);
  let answer = '';
  socket.setEncoding('latin1');
  socket.on('connect', () => {
    socket.write(
      `GET ${probe.path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: drover\r\nConnection: close\r\n\r\n`,
    );
  });
  socket.on('data', (text: string) => {
    if (answer.length < maxAnswerBytes) answer += text;
  });
  socket.on('error', (error) => resolve(`${what} at ${address}:${port}: ${error.message}`));
  socket.on('close', () => resolve(judge(what, answer, probe.status)));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

/** `answer` is the head and the beginning of the body, a character for each byte. */
function judge(what: string, answer: string, expected: number | undefined): ProbeAnswer {
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? Number.NaN);
  if (Number.isNaN(status)) {
    return answer === ''
      ? `${what}: the connection was closed without an answer`
      : `${what} answered something that is not HTTP/1.1`;
  }
  const isGood = expected === undefined ? status >= 200 && status < 400 : status === expected;
  if (isGood) return null;
  const headEnd = answer.indexOf('\r\n\r\n');
  const isChunked = /\r\ntransfer-encoding: *chunked/i.test(answer.slice(0, headEnd));
  const bodyStart = headEnd + 4;
  // Of a chunked body the first chunk is enough to see what is wrong.
  const chunkEnd = isChunked ? answer.indexOf('\r\n', bodyStart) : -1;
  const chunkBytes = chunkEnd === -1 ? maxBodyBytes : Number.parseInt(answer.slice(bodyStart, chunkEnd), 16);
  const begin = chunkEnd === -1 ? bodyStart : chunkEnd + 2;
  const body = Buffer.from(answer.slice(begin, begin + Math.min(maxBodyBytes, chunkBytes)), 'latin1')
    .toString('utf8')
    .trim();
  return `${what} answered ${status}${headEnd === -1 || body === '' ? '' : `: ${body}`}`;
}

function probeTcp({ address, port, timeoutMs }: ProbeTarget): Promise<ProbeAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
  const socket = createConnection({ host: address, port });
  const timer = setTimeout(
    () => resolve(`nothing accepted a connection at ${address}:${port} within ${timeoutMs} ms`),
    timeoutMs,
  );
  socket.on('connect', () => resolve(null));
  socket.on('error', (error) => resolve(`connecting to ${address}:${port}: ${error.message}`));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}
