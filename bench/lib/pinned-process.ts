import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { readCpuSeconds } from './read-cpu-seconds.ts';

export interface PinnedProcess {
  readonly pid: number;
  /** The first line that it wrote to its standard output; empty when none was asked for. */
  readonly firstLine: string;
  /** User and system time so far, of all its threads. */
  cpuSeconds(): number;
  /** SIGKILL; resolves when it is gone. */
  end(): Promise<void>;
}

/**
 * Starts a program that may run on one core only (on any, where there is just one), and waits for its first line of output if
 * `waitForLine`. Rejects when it ends before that.
 */
export async function startPinned(
  core: number,
  [command, ...args]: readonly [string, ...string[]],
  { waitForLine = true }: { readonly waitForLine?: boolean } = {},
): Promise<PinnedProcess> {
  const canPin = availableParallelism() > core;
  const child = canPin
    ? spawn('taskset', ['-c', String(core), command, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
    : spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const firstLine = waitForLine ? await readFirstLine(child, command) : '';
  // taskset replaces itself by the program, so that this is the program's pid.
  const pid = child.pid ?? 0;
  return {
    pid,
    firstLine,
    cpuSeconds: () => readCpuSeconds(pid),
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

function readFirstLine(child: ChildProcess, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`${command} ended before it was ready`)));
  });
}
