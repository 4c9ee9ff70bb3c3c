import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import { freePort } from '../../shared/runtime/free-port.ts';

export interface ServiceProcess {
  readonly url: string;
  /** Asks it to end, and ends it when it does not. */
  end(): Promise<void>;
}

/** On a machine where a dozen of them start at once. */
const startTimeoutMs = 60_000;
const endTimeoutMs = 15_000;

/** Starts one service, without an agent, and waits until it is healthy. */
export async function startService(file: string, env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
  const port = env.PORT ?? String(await freePort());
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [file], {
    env: { PATH, ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }), PORT: port, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = `${complaints}${text}`.slice(-4_000);
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitUntil(`${file} to answer`, () => isHealthy(child, url), { timeoutMs: startTimeoutMs, intervalMs: 50 });
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${(error as Error).message}\n${complaints}`);
  }
  return { url, end: () => end(child) };
}

async function isHealthy(child: ChildProcess, url: string): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}`);
  const answer = await fetch(`${url}/health`);
  await answer.arrayBuffer();
  return answer.ok;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs);
  await ended;
  clearTimeout(timer);
}
