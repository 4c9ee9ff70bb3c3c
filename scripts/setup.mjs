// Set-up: brings a machine to the point where Drover's commands run, and does nothing when it is already there.
//
//   node scripts/setup.mjs [--with redis-server,haproxy] [--want wrk]
//
//   --with   Debian packages that are needed; set-up fails when one cannot be had.
//   --want   Debian packages that are useful; without the right to install them they are named as missing, loudly.
//
// Plain JavaScript that runs on Node 18 with nothing installed, because it is what installs everything else.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, readdirSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { installDebianPackages, knownDebianPackages } from './setup/debian-packages.mjs';
import { installNodeModules, whyNodeModulesAreStale } from './setup/node-modules.mjs';
import { SetupError } from './setup/setup-error.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Longer than the slowest set-up seen (three minutes on a cold mirror), so a second set-up waits and never gives up first. */
const lockTimeoutSeconds = 900;

/** Node 24 as the npm package `node` brings it: the only Node that runs the code of this tree. */
export const nodePath = path.join(root, 'node_modules/node/bin/node');

/**
 * Makes sure that redis-server, the npm packages and Node 24 are there. Idempotent; safe to run twice at once.
 * @param {{ with?: string[], want?: string[] }} [options] Debian packages beside redis-server
 * @throws {SetupError} with an instruction for a person when it cannot go on
 */
export function setUp(options = {}) {
  if (process.platform !== 'linux')
    throw new SetupError('Drover runs on Linux: it supervises processes through /proc.');
  const plan = findMissing(options);
  if (plan.required.length > 0 || plan.optional.length > 0) installDebianPackages(plan, { withLock });
  if (plan.staleBecause !== null) {
    mkdirSync(path.join(root, '.drover'), { recursive: true });
    withLock(path.join(root, '.drover/setup.lock'), { task: 'node-modules', packages: [] });
  }
}

/** Looks only; installs nothing. Takes a few milliseconds. */
function findMissing(options) {
  const required = [...(options.with ?? [])];
  if (!process.env.DROVER_REDIS_URL) required.push('redis-server');
  const unknown = [...required, ...(options.want ?? [])].filter((name) => !(name in knownDebianPackages));
  if (unknown.length > 0) {
    const known = Object.keys(knownDebianPackages).join(', ');
    throw new SetupError(`unknown package ${unknown.join(', ')}; set-up knows ${known}.`);
  }
  const isStoreOnly = !options.with?.includes('redis-server');
  const isMissing = (name) => !isInstalled(knownDebianPackages[name]);
  return {
    required: [...new Set(required)].filter(isMissing),
    optional: [...new Set(options.want ?? [])].filter(isMissing),
    hint: isStoreOnly ? '\n  or set DROVER_REDIS_URL to a Redis that is already running' : '',
    staleBecause: whyNodeModulesAreStale(root, nodePath),
  };
}

function isInstalled(program) {
  if (program.startsWith('/')) return expandFolder(program).some(isExecutable);
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/usr/bin'];
  return folders.some((folder) => folder !== '' && isExecutable(path.join(folder, program)));
}

/** The paths that a path with one * for a folder may mean. */
function expandFolder(pattern) {
  const [parent, rest] = pattern.split('*');
  if (rest === undefined) return [pattern];
  try {
    return readdirSync(parent).map((folder) => path.join(parent, folder, rest));
  } catch {
    return [];
  }
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs one task of this script again under flock(1). The kernel gives the lock back however the holder ends, so there
 * is no stale lock to judge; the task looks again once it holds the lock, because the one before may have done the work.
 */
function withLock(lockPath, { task, packages }) {
  const self = fileURLToPath(import.meta.url);
  const command = [process.execPath, self, `--locked=${task}`, ...packages];
  const result = spawnSync('flock', ['--close', '--timeout', String(lockTimeoutSeconds), lockPath, ...command], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (result.error) throw new SetupError(`could not run flock (Debian package util-linux): ${result.error.message}`);
  // The locked run has already said what went wrong.
  if (result.status !== 0) throw new SetupError('', { exitCode: result.status ?? 1 });
}

function runLocked(task, packages) {
  if (task === 'node-modules') {
    const staleBecause = whyNodeModulesAreStale(root, nodePath);
    if (staleBecause !== null) installNodeModules({ root, nodePath, reason: staleBecause });
    return;
  }
  const missing = packages.filter((name) => !isInstalled(knownDebianPackages[name]));
  if (missing.length > 0) installDebianPackages({ required: missing, optional: [] }, {});
}

/** Exits with the error's code after telling a person what to do next; anything unexpected is thrown on. */
export function exitWithSetupError(error) {
  if (!(error instanceof SetupError)) throw error;
  if (error.message !== '') process.stderr.write(`set-up: ${error.message}\n`);
  process.exit(error.exitCode);
}

/** Reads `--with a,b` and `--want c` from the front of an argument list; the rest is returned untouched. */
export function readSetupOptions(argv) {
  const options = { with: [], want: [] };
  let index = 0;
  while (argv[index] === '--with' || argv[index] === '--want') {
    options[argv[index].slice(2)].push(...(argv[index + 1] ?? '').split(',').filter(Boolean));
    index += 2;
  }
  return { options, rest: argv.slice(index) };
}

function main(argv) {
  const locked = argv[0]?.match(/^--locked=(.+)$/)?.[1];
  if (locked !== undefined) return runLocked(locked, argv.slice(1));
  const { options, rest } = readSetupOptions(argv);
  if (rest.length > 0) throw new SetupError(`unknown argument ${rest[0]}; usage: setup.mjs [--with a,b] [--want c,d]`);
  setUp(options);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    exitWithSetupError(error);
  }
}
