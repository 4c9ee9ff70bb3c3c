// npm test: runs the tests below test/ (or below the paths given as arguments) and fails on processes they leave behind.
// With --long it runs those that take long instead, *.long.test.ts; a file that is named is run in any case. With --retry, for
// CI, files that fail are run once more, one after the other: what fails twice fails the run, what fails once is told of.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { glob, mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { readArguments } from './read-arguments.ts';
import { findLeakedProcesses, type LeakedProcess } from './test/leaked-processes.ts';

const root = path.dirname(import.meta.dirname);

/** Test files at once: two fit a two-core machine, on which each file has servers and workers of its own as well. */
const concurrency = 2;
/** The longest end-to-end file takes two minutes on a busy two-core machine; one that needs twice that hangs. */
const fileTimeoutMs = 240_000;
/** A test that hangs is ended by the runner first; this ends what does not end after its tests. */
const fileLimitMs = fileTimeoutMs + 30_000;
/** Processes that are on their way out when the runner ends are given this long. */
const leakGraceMs = 3000;
/** More than this fail for a reason, not by chance. */
const maxRetriedFiles = 3;

const usage = `usage: npm test [-- [--long] [--retry] [path ...]]

  --long    those that take long, *.long.test.ts, and no others
  --retry   files that fail, up to ${maxRetriedFiles}, are run once more
  path      a file, or a folder; without one all below test/
`;
const { values, positionals } = readArguments(usage, (args) => {
  const flag = { type: 'boolean', default: false } as const;
  return parseArgs({ args, allowPositionals: true, options: { long: flag, retry: flag } });
});
const files = await findTestFiles(positionals, values.long);
process.stdout.write(`running ${files.length} test files, ${concurrency} at a time\n`);
let run = await runFiles(files, concurrency);
const retried = run.failedFiles.map((file) => path.relative(root, file));
if (values.retry && run.exitCode !== 0 && retried.length > 0 && retried.length <= maxRetriedFiles) {
  process.stdout.write(`\nonce more: ${retried.join(' ')}\n`);
  run = await runFiles(retried, 1);
  if (run.exitCode === 0) {
    process.stderr.write(`\nFAILED ONCE, and passed when run again; look into it: ${retried.join(' ')}\n`);
  }
}
process.exit(run.exitCode);

interface Run {
  readonly exitCode: number;
  readonly failedFiles: readonly string[];
}

/** Processes that outlive their tests fail the run, too. */
async function runFiles(files: readonly string[], concurrency: number): Promise<Run> {
  const runId = randomUUID();
  const directory = await mkdtemp(path.join(tmpdir(), 'drover-test-run-'));
  try {
    const failuresFile = path.join(directory, 'failed-files');
    const exitCode = await runTests({ files, concurrency, runId, failuresFile });
    const leaked = await findLeakedProcesses(runId, leakGraceMs);
    if (leaked.length > 0) reportLeaks(leaked);
    const failed = await readFile(failuresFile, 'utf8').catch(() => '');
    return {
      exitCode: exitCode === 0 && leaked.length > 0 ? 1 : exitCode,
      failedFiles: failed.split('\n').filter((file) => file !== ''),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function findTestFiles(filters: readonly string[], isLong: boolean): Promise<string[]> {
  const found: string[] = [];
  for (const filter of filters.length > 0 ? filters : ['test']) {
    const before = found.length;
    if (filter.endsWith('.test.ts') && existsSync(path.resolve(root, filter))) found.push(filter);
    else {
      for await (const file of glob(`${filter}/**/*.test.ts`, { cwd: root })) {
        if (file.endsWith('.long.test.ts') === isLong) found.push(file);
      }
    }
    if (found.length > before) continue;
    process.stderr.write(`no test file is at or below ${filter}; example: npm test -- test/shared\n`);
    process.exit(2);
  }
  return [...new Set(found)].sort();
}

interface RunOptions {
  readonly files: readonly string[];
  readonly concurrency: number;
  /** Found again in the environment of all processes that the tests start. */
  readonly runId: string;
  /** Gets the files with a test that failed, one a line. */
  readonly failuresFile: string;
}

function runTests({ files, concurrency, runId, failuresFile }: RunOptions): Promise<number> {
  const args = [
    '--import',
    path.join(root, 'scripts/test/end-in-time.ts'),
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${fileTimeoutMs}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${path.join(root, 'scripts/test/failed-files.ts')}`,
    `--test-reporter-destination=${failuresFile}`,
    ...files,
  ];
  const runner = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { DROVER_TEST_FILE_LIMIT_MS: String(fileLimitMs), ...process.env, DROVER_TEST_RUN: runId },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
  return new Promise((resolve, reject) => {
    runner.on('error', reject);
    runner.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
}

function reportLeaks(processes: readonly LeakedProcess[]): void {
  process.stderr.write(`\n${processes.length} processes outlived the tests that started them; they are killed now:\n`);
  for (const leak of processes) {
    process.stderr.write(`  pid ${leak.pid}  ${leak.command}\n`);
    leak.kill();
  }
}
