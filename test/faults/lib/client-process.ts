import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

/** A real process that takes part in a campaign. */
export interface ClientProcess {
  readonly name: string;
  readonly pid: number;
  readonly isRunning: boolean;
  /** What went wrong in it, once it has ended by itself: an exit code other than 0, with the last it wrote to stderr. */
  readonly failure: string | undefined;
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** Lines that it wrote to stdout. */
  readonly lines: readonly string[];
  /** Sends one line to its stdin. */
  tell(line: string): void;
  /** Tells it to end, and resolves when it has. Kills it, as a failure, when it does not. */
  end(): Promise<void>;
}

const setpriv = '/usr/bin/setpriv';
/** Closing connections takes milliseconds; what is left open keeps a process from ending. */
const endTimeoutMs = 8000;
/** Enough for a stack trace. */
const maxErrorChars = 4000;

/** Runs a program of the harness with `settings`, which it reads with `JSON.parse(process.argv[2])`; `inside` goes before the command. */
export function startClient(
  program: URL,
  name: string,
  settings: object,
  inside: readonly string[] = [],
): ClientProcess {
  const node = [process.execPath, '--unhandled-rejections=strict', program.pathname, JSON.stringify(settings)];
  const [command, ...args] = [...inside, ...(existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL'] : []), ...node];
  const child: ChildProcess = spawn(command!, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  let errors = '';
  let output = '';
  const lines: string[] = [];
  let isKilled = false;
  child.stdin!.on('error', () => {});
  child.stderr!.on('data', (chunk) => {
    errors = `${errors}${chunk}`.slice(-maxErrorChars);
  });
  child.stdout!.on('data', (chunk) => {
    output += chunk;
    const parts = output.split('\n');
    output = parts.pop()!;
    lines.push(...parts);
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    name,
    lines,
    pid: child.pid ?? 0,
    get isRunning() {
      return !hasEnded();
    },
    get failure() {
      if (isKilled || !hasEnded() || child.exitCode === 0) return undefined;
      return `${name} ended with ${child.exitCode ?? child.signalCode}: ${errors}`;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async kill() {
      if (hasEnded()) return;
      isKilled = true;
      child.kill('SIGKILL');
      await ended;
    },
    tell: (line) => void child.stdin!.write(`${line}\n`),
    async end() {
      if (!hasEnded()) child.stdin!.end('end\n');
      const timer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
