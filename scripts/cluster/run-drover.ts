import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
}

export interface CommandOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Called with each line as it appears, of both streams. */
  readonly onLine?: (line: string) => void;
  readonly timeoutMs?: number;
}

/** Runs one `drover` command as a user does, to its end. Rejects only when it cannot be started. */
export async function runDrover(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 180_000,
  });
  const collect = (stream: NodeJS.ReadableStream): (() => string) => {
    let text = '';
    let seen = 0;
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      for (let end = text.indexOf('\n', seen); end !== -1; end = text.indexOf('\n', seen)) {
        options.onLine?.(text.slice(seen, end));
        seen = end + 1;
      }
    });
    return () => text;
  };
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, stdout: stdout(), stderr: stderr(), elapsedMs: performance.now() - startedMs };
}
