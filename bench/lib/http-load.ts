import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);
const wrk = '/usr/bin/wrk';

export interface HttpLoad {
  readonly url: string;
  readonly connections: number;
  readonly durationSeconds: number;
  /** The core for the load generator; the one of the server under test should be another. */
  readonly core: number;
}

export interface HttpLoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Answers other than 2xx and 3xx, and failed connections. */
  readonly errors: number;
}

/**
 * Asks for one URL again and again over kept connections, as fast as it is answered. With wrk where it is installed; else with
 * node:http in this process, which is slower than most servers, so that then only figures per CPU second mean something.
 */
export async function loadHttp(load: HttpLoad): Promise<HttpLoadResult> {
  return existsSync(wrk) ? loadWithWrk(load) : loadWithNode(load);
}

async function loadWithWrk({ url, connections, durationSeconds, core }: HttpLoad): Promise<HttpLoadResult> {
  const args = ['-t1', `-c${connections}`, `-d${durationSeconds}s`, url];
  const canPin = availableParallelism() > core;
  const { stdout } = canPin ? await run('taskset', ['-c', String(core), wrk, ...args]) : await run(wrk, args);
  const socketErrors =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? [];
  return {
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0),
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0),
    errors: [/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? '0', ...socketErrors]
      .map(Number)
      .reduce((sum, count) => sum + count, 0),
  };
}

async function loadWithNode({ url, connections, durationSeconds }: HttpLoad): Promise<HttpLoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const startedAt = performance.now();
  const endAt = startedAt + durationSeconds * 1_000;
  let requests = 0;
  let errors = 0;
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      get(url, { agent }, (response) => {
        requests++;
        if ((response.statusCode ?? 500) >= 400) errors++;
        response.resume().on('end', resolve);
      }).on('error', () => {
        errors++;
        resolve();
      });
    });
  const client = async (): Promise<void> => {
    while (performance.now() < endAt) await one();
  };
  await Promise.all(Array.from({ length: connections }, client));
  agent.destroy();
  return { requests, requestsPerSecond: (requests * 1_000) / (performance.now() - startedAt), errors };
}
