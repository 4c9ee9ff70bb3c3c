import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentOptionsInput } from '../../agent/config.ts';
import { stopEverything } from '../../agent/stop-everything.ts';
import { eventually } from './eventually.ts';
import type { FakeCluster, FakeController } from './fake-cluster.ts';
import type { Lifetime } from './lifetime.ts';

const mainPath = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

/** Where the workers of tests are. */
export const workersDirectory = fileURLToPath(new URL('../fixtures/workers/', import.meta.url));

export interface StartAgentOptions {
  readonly cluster: FakeCluster;
  readonly controller: FakeController;
  readonly options?: Partial<AgentOptionsInput>;
}

/** A real agent in a process of its own. All that it has started goes when the test ends. */
export class AgentProcess {
  readonly data: string;
  readonly #config: string;
  #options: AgentOptionsInput;
  readonly #log: string[] = [];
  #child: ChildProcess | null = null;
  /** From its first start to when a controller heard of it: how fast this machine is just now. */
  connectedAfterMs = 0;

  constructor(directory: string, options: AgentOptionsInput) {
    this.data = options.dataDirectory;
    this.#config = join(directory, 'agent-config.json');
    this.#options = options;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get log(): string {
    return this.#log.join('');
  }

  /** `change` are options that it has from now on. */
  start(change: Partial<AgentOptionsInput> = {}): void {
    this.#options = { ...this.#options, ...change };
    writeFileSync(this.#config, JSON.stringify(this.#options), { mode: 0o600 });
    const child = spawn(process.execPath, [mainPath, this.#config], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, AGENT_SECRET: 'must not reach a worker' },
    });
    child.stderr?.on('data', (chunk: Buffer) => this.#log.push(chunk.toString()));
    this.#child = child;
  }

  /** Resolves with the exit code. */
  async ended(): Promise<number | null> {
    const child = this.#child;
    if (child === null) return null;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.#child?.kill(signal);
    return this.ended();
  }
}

export async function startAgent(
  t: Lifetime,
  { cluster, controller, options }: StartAgentOptions,
): Promise<AgentProcess> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'drover-agent-')));
  const data = join(directory, 'data');
  mkdirSync(data);
  const agent = new AgentProcess(directory, {
    dataDirectory: data,
    join: { controllerUrl: controller.url, token: cluster.token },
    name: 'host-a',
    address: '127.0.0.1',
    logLevel: 'debug',
    ...options,
  });
  t.after(async () => {
    await agent.kill();
    // Before the directory goes, because it is how the processes are found; hooks run in the order in which they were made.
    const { survivors } = await stopEverything(data);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    if (survivors.length > 0) throw new Error(`left over: ${JSON.stringify(survivors)}`);
  });
  const startedAt = performance.now();
  const before = cluster.hellos;
  agent.start();
  try {
    await eventually(() => cluster.hellos > before, { timeoutMs: 60_000 });
    agent.connectedAfterMs = performance.now() - startedAt;
  } catch (error) {
    throw new Error(`the agent did not connect: ${agent.log}`, { cause: error });
  }
  return agent;
}

export function isProcessAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
