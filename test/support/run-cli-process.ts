import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fakeToken } from './fake-rest.ts';
import type { Lifetime } from './lifetime.ts';
import { tempDirectory } from './temp-directory.ts';

const launcher = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));
/** A command that hangs must fail its own test, not the run. */
const timeoutMs = 30_000;

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Each line of standard output as JSON. */
  objects(): Record<string, unknown>[];
}

export interface CliProcess {
  readonly child: ChildProcess;
  stdout(): string;
  readonly ended: Promise<CliResult>;
}

export interface CliOptions {
  /** Controllers, in DROVER_URL; none leaves the command without a cluster. */
  readonly urls?: readonly string[];
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly stdin?: string;
}

/** Spawns the real `drover` with a home of its own and an environment that holds nothing of the developer's. */
export function startCli(
  t: Lifetime,
  args: readonly string[],
  { urls, cwd, env = {}, stdin }: CliOptions = {},
): CliProcess {
  const home = tempDirectory(t);
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd: cwd ?? home,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    env: {
      PATH: process.env.PATH,
      HOME: home,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      DROVER_TEST_RUN: process.env.DROVER_TEST_RUN,
      ...(urls === undefined ? {} : { DROVER_URL: urls.join(','), DROVER_TOKEN: fakeToken }),
      ...env,
    },
  });
  t.after(() => void child.kill('SIGKILL'));
  child.stdin.end(stdin ?? '');
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const objects = () =>
        stdout
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Record<string, unknown>);
      resolve({ code, stdout, stderr, objects });
    });
  });
  return { child, stdout: () => stdout, ended };
}

export function runCliProcess(t: Lifetime, args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(t, args, options).ended;
}
