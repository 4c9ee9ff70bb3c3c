import { homedir } from 'node:os';
import { runCli } from './run-cli.ts';

/** One Ctrl-C can arrive twice, from the terminal and from a program around this one; only a later one is a second. */
const sameInterruptMs = 500;
const interrupted = new AbortController();
let interruptedMs = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second one is for people who do not want to wait.
    if (interrupted.signal.aborted && performance.now() - interruptedMs > sameInterruptMs) process.exit(130);
    if (!interrupted.signal.aborted) interruptedMs = performance.now();
    interrupted.abort(new Error(`ended by ${signal}`));
  });
}
// The reader of a pipe may leave first, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: () => process.stdin,
  environment: process.env,
  directory: process.cwd(),
  home: homedir(),
  signal: interrupted.signal,
});
