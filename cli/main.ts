import { homedir } from 'node:os';
import { runCli } from './run-cli.ts';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second one is for people who do not want to wait.
    if (interrupted.signal.aborted) process.exit(130);
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
