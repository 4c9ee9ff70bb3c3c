import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { provideSdk } from '../../agent/artifact/provide-sdk.ts';
import { eventually } from '../support/eventually.ts';
import type { Lifetime } from '../support/lifetime.ts';
import { ownPort } from '../support/own-port.ts';
import { tempDirectory } from '../support/temp-directory.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A copy of an example where an agent would have put it: the package `drover` above it, its dependencies beside it. */
export function layOutExample(t: Lifetime, name: string): string {
  const directory = tempDirectory(t);
  provideSdk(directory);
  const copy = join(directory, name);
  cpSync(join(root, 'examples', name), copy, { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

export interface RunningExample {
  readonly child: ChildProcess;
  readonly url: string;
  /** All that it has printed. */
  output(): string;
  /** What GET of `path` answers, by default of /. */
  look(): Promise<Record<string, unknown>>;
  /** SIGINT; answers how it ended by itself. */
  stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts one script of a laid out example and waits until it answers. */
export async function runExample(
  t: Lifetime,
  file: string,
  environment: Readonly<Record<string, string>>,
  { path = '/' }: { readonly path?: string } = {},
): Promise<RunningExample> {
  const port = environment.PORT ?? (await ownPort());
  const [command, args] = file.endsWith('.py') ? ['python3', [file]] : [process.execPath, [file]];
  const child = spawn(command, args, {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      DROVER_TEST_RUN: process.env.DROVER_TEST_RUN,
      PORT: String(port),
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      output += part;
    });
  }
  const url = `http://127.0.0.1:${port}`;
  const ended = once(child, 'exit');
  const look = async () => (await (await fetch(`${url}${path}`)).json()) as Record<string, unknown>;
  await eventually(
    async () => {
      try {
        return await look();
      } catch (error) {
        throw new Error(`${file} does not answer: ${(error as Error).message}\n${output}`);
      }
    },
    { timeoutMs: 60_000 },
  );
  return {
    child,
    url,
    output: () => output,
    look,
    async stop() {
      child.kill('SIGINT');
      const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
      return { code, signal };
    },
  };
}
