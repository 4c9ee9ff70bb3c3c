import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface ShellResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line is given this long; the longest one creates a device on a busy machine. */
const timeoutMs = 60_000;

/** What the programs that people type are found by: `wscat` of the tree, and this tree's `drover`. */
export function shellEnvironment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return {
    ...process.env,
    NO_COLOR: '1',
    PATH: [join(root, 'node_modules/.bin'), join(root, 'node_modules/node/bin'), process.env.PATH].join(':'),
    ...env,
  };
}

/** The command line of this tree, in words of bash. */
const ownDrover = `"${process.execPath}" "${join(root, 'cli/bin.js')}"`;

/** Runs command lines in bash as they are written, to their end; `drover` in them means what `drover` says. */
export async function runShell(
  commands: string,
  env: Readonly<Record<string, string>> = {},
  drover = ownDrover,
): Promise<ShellResult> {
  const child = spawn('bash', ['-c', `drover() { ${drover} "$@"; }\n${commands}`], {
    env: shellEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => {
      texts[name] += part;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, ...texts };
}
