import { statSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import type { Bundle } from './protocol.ts';
import type { StartFailure } from './start-failure.ts';

/** What to execute for a worker. */
export interface WorkerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** The resolved script. */
  readonly script: string;
  /** A Node program gets an IPC channel and the drain hook. */
  readonly isNode: boolean;
}

const INTERPRETERS: Readonly<Record<string, string>> = {
  '.js': 'node',
  '.mjs': 'node',
  '.cjs': 'node',
  '.ts': 'node',
  '.mts': 'node',
  '.cts': 'node',
  '.sh': 'bash',
  '.py': 'python3',
  '.rb': 'ruby',
  '.php': 'php',
  '.pl': 'perl',
};

/** Whether PATH may say what it is: such as `npm`, or `caddy`. */
export function isCommand(script: string, interpreter?: string): boolean {
  return !script.includes('/') && (interpreter === 'none' || (interpreter === undefined && extname(script) === ''));
}

/**
 * Turns a bundle into a command line, or says which of its paths is missing: a missing script would otherwise be
 * an exit code of the interpreter. `nodePath` runs what is to run on `node`; `hookPath` is preloaded into it.
 */
export function buildWorkerCommand(bundle: Bundle, nodePath: string, hookPath: string): WorkerCommand | StartFailure {
  if (!statSync(bundle.cwd, { throwIfNoEntry: false })?.isDirectory()) {
    return { reason: 'cwd-not-found', message: `the working directory ${bundle.cwd} does not exist`, retryable: false };
  }
  const interpreter = bundle.interpreter ?? INTERPRETERS[extname(bundle.script)] ?? 'none';
  const inPath = isCommand(bundle.script, bundle.interpreter) && !exists(resolve(bundle.cwd, bundle.script));
  const script = inPath ? bundle.script : resolve(bundle.cwd, bundle.script);
  if (!inPath && !exists(script)) {
    return { reason: 'script-not-found', message: `the script ${script} does not exist`, retryable: false };
  }
  if (interpreter === 'none') return { command: script, args: bundle.args, script, isNode: false };
  const isNode = /^node(js)?$/.test(basename(interpreter));
  const command = interpreter === 'node' ? nodePath : interpreter;
  const preload = isNode ? ['--require', hookPath] : [];
  return { command, args: [...preload, ...bundle.nodeArgs, script, ...bundle.args], script, isNode };
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
