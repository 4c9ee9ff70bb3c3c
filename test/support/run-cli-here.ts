import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { runCli } from '../../cli/run-cli.ts';
import { fakeToken } from './fake-rest.ts';
import type { CliOptions, CliResult } from './run-cli-process.ts';
import { tempDirectory } from './temp-directory.ts';

/** Runs a command line within this process: the same as a process of its own except for `main.ts`, and many times as fast. */
export async function runCliHere(
  t: TestContext,
  args: readonly string[],
  { urls, cwd, env = {}, stdin = '' }: CliOptions = {},
): Promise<CliResult> {
  const home = tempDirectory(t);
  let stdout = '';
  let stderr = '';
  const code = await runCli(args, {
    stdout: {
      write(text) {
        stdout += text;
      },
    },
    stderr: {
      write(text) {
        stderr += text;
      },
    },
    stdin: () => Readable.from([stdin]),
    environment: {
      ...(urls === undefined ? {} : { DROVER_URL: urls.join(','), DROVER_TOKEN: fakeToken }),
      ...env,
    },
    directory: cwd ?? home,
    home,
    signal: t.signal,
  });
  const objects = () =>
    stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, stdout, stderr, objects };
}
