/**
 * The process of a shim: `node main.ts <bundle directory>`. Its standard error is the shim's log. It outlives the agent
 * that has started it; it ends on request, on SIGTERM or SIGINT (workers are stopped first), or when it is of no use
 * any more.
 */
import { flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { COMPILE_ONLY } from './program.ts';
import { startShim } from './shim.ts';

function report(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
}

// What is left here would reach cluster workers; theirs is in the bundle.
for (const name of Object.keys(process.env)) delete process.env[name];

process.on('SIGHUP', () => {});
// A defect in one request or worker must not take the others down.
process.on('uncaughtException', report);
process.on('unhandledRejection', report);

const [directory] = process.argv.slice(2);
try {
  if (directory === undefined) throw new Error('usage: main.ts <bundle directory>');
  if (directory === COMPILE_ONLY) process.exit(0);
  const hookPath = fileURLToPath(new URL('./drain-hook.cjs', import.meta.url));
  const shim = await startShim({
    directory,
    paths: { nodePath: process.execPath, hookPath },
    onTrouble: report,
    onEnd: () => process.exit(0),
  });
  // Now, because a shim may run for months and end by a power failure: the next one shall not have to compile again.
  flushCompileCache();
  // From here on it waits: a collection shall give memory back. Not from the start, where V8 would refuse the code that Node brings.
  setFlagsFromString('--optimize-for-size');
  process.on('SIGTERM', () => void shim.stop());
  process.on('SIGINT', () => void shim.stop());
} catch (error) {
  // Whoever has launched this shim repeats the message, so it is one line.
  report(error instanceof Error ? error.message : error);
  process.exit(1);
}
