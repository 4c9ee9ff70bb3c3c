import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { SetupError } from './setup-error.mjs';

/**
 * Debian packages that set-up may install, each with the program whose presence proves it: on the path, or where Debian
 * keeps programs off the path, with * for one folder.
 */
export const knownDebianPackages = {
  'redis-server': 'redis-server',
  haproxy: 'haproxy',
  wrk: 'wrk',
  chromium: 'chromium',
  curl: 'curl',
  jq: 'jq',
  postgresql: '/usr/lib/postgresql/*/bin/initdb',
};

const whatFor = {
  'redis-server': 'the store behind the controllers',
  haproxy: 'the yardstick of the router benchmark',
  wrk: 'the load generator of the router benchmark',
  chromium: 'the browser of the tests of pages',
  curl: 'the client of the verification list',
  jq: 'the reader of answers in the verification list',
  postgresql: 'the database of the tests and benchmarks that need one',
};

/** One for the whole machine: apt serves one caller at a time, also when two clones of the tree are set up at once. */
const lockPath = '/run/drover-setup.lock';

/** Told to service managers by policy-rc.d: "forbidden by policy", which Debian's maintainer scripts accept silently. */
const policyPath = '/usr/sbin/policy-rc.d';
const policyMark = '# Written by Drover set-up while packages are installed. Safe to delete.';
const policyText = `#!/bin/sh\n${policyMark}\nexit 101\n`;

/**
 * Installs Debian packages with apt-get, as root, without starting the services that they bring.
 * Without root, or without apt-get, it throws for required packages and only warns for optional ones.
 * @param {{ required: string[], optional: string[], hint?: string }} missing `hint` names another way out
 * @param {{ withLock?: (path: string, job: { task: string, packages: string[] }) => void }} dependencies with
 *   `withLock` the work is handed to a second run under the machine-wide lock
 */
export function installDebianPackages({ required, optional, hint = '' }, { withLock }) {
  const obstacle = whyCannotInstall();
  if (obstacle !== null) {
    if (required.length > 0) throw new SetupError(instruction(required, obstacle) + hint);
    process.stderr.write(`set-up: WITHOUT ${optional.join(', ')}: ${instruction(optional, obstacle)}\n`);
    return;
  }
  const packages = [...required, ...optional];
  if (withLock) return withLock(lockPath, { task: 'debian', packages });
  for (const name of packages) process.stdout.write(`set-up: will install Debian package ${name}, ${whatFor[name]}\n`);
  process.stdout.write('set-up: apt-get update\n');
  aptGet(['update', '-qq'], packages);
  process.stdout.write(`set-up: apt-get install ${packages.join(' ')} (its services are not started)\n`);
  const putBack = forbidServiceStarts();
  try {
    aptGet(['install', '-y', '-qq', '--no-install-recommends', ...packages], packages);
  } finally {
    putBack();
  }
}

function whyCannotInstall() {
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).error) return 'there is no apt-get here';
  if (process.getuid() !== 0) return 'only root may install Debian packages';
  return null;
}

function instruction(packages, obstacle) {
  const command = `sudo apt-get update && sudo apt-get install -y ${packages.join(' ')}`;
  return `${packages.join(', ')} missing, and ${obstacle}. Run this, then try again:\n  ${command}`;
}

/**
 * Forbids service starts while packages are configured, with a policy-rc.d of our own; one that is already there is the
 * machine owner's and stays as it is. Returns the function that takes ours away again.
 */
function forbidServiceStarts() {
  if (isOurPolicy()) rmSync(policyPath);
  try {
    writeFileSync(policyPath, policyText, { mode: 0o755, flag: 'wx' });
  } catch (error) {
    if (error.code === 'EEXIST') return () => {};
    throw error;
  }
  return () => rmSync(policyPath, { force: true });
}

/** True for the leftover of a set-up that was killed; we hold the machine-wide lock, so no other set-up is using it. */
function isOurPolicy() {
  try {
    return readFileSync(policyPath, 'utf8').includes(policyMark);
  } catch {
    return false;
  }
}

function aptGet(args, packages) {
  // 300 s: an unattended upgrade that holds dpkg's lock is usually done by then.
  const result = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (result.status === 0) return;
  const lastLines = `${result.stdout}${result.stderr}`.trim().split('\n').slice(-15).join('\n  ');
  throw new SetupError(
    `apt-get ${args[0]} failed. Its last lines:\n  ${lastLines}\nRun this, then try again:\n  apt-get update && apt-get install -y ${packages.join(' ')}`,
  );
}
