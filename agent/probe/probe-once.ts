import { Agent, request } from 'node:http';
import { createConnection } from 'node:net';
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

/** Each probe has a connection of its own, so that a kept one cannot hide a full backlog. Shared, since probes are most of an idle agent's work. */
const connections = new Agent({ keepAlive: false });

/** Asks a worker once. Never throws. */
export function probeOnce(probe: Probe, target: ProbeTarget): Promise<ProbeAnswer> {
  return probe.type === 'http' ? probeHttp(probe, target) : probeTcp(target);
}

function probeHttp(probe: Probe & { type: 'http' }, { address, port, timeoutMs }: ProbeTarget): Promise<ProbeAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
  const what = `GET ${probe.path}`;
  const outgoing = request(
    {
      host: address,
      port,
      path: probe.path,
      agent: connections,
      headers: { connection: 'close', 'user-agent': 'drover' },
    },
    (response) => {
      const status = response.statusCode ?? 0;
      const isGood = probe.status === undefined ? status >= 200 && status < 400 : status === probe.status;
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        if (bytes < maxBodyBytes) chunks.push(chunk);
        bytes += chunk.length;
      });
      response.on('close', () => {
        const body = Buffer.concat(chunks).subarray(0, maxBodyBytes).toString('utf8').trim();
        resolve(isGood ? null : `${what} answered ${status}${body === '' ? '' : `: ${body}`}`);
      });
    },
  );
  const timer = setTimeout(() => {
    resolve(`${what} gave no answer within ${timeoutMs} ms`);
    outgoing.destroy();
  }, timeoutMs);
  outgoing.on('error', (error) => resolve(`${what} at ${address}:${port}: ${error.message}`));
  outgoing.end();
  return promise.finally(() => clearTimeout(timer));
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
