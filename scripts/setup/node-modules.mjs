import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SetupError } from './setup-error.mjs';

/**
 * Says why node_modules must be installed again, or null when it fits package-lock.json. The stamp makes the usual
 * answer cheap; without a fitting stamp npm's own record of what it installed is compared, so that a plain
 * `npm install <package>` by a developer is recognised instead of undone.
 * @param {string} root
 * @param {string} nodePath
 * @returns {string | null}
 */
export function whyNodeModulesAreStale(root, nodePath) {
  if (!existsSync(path.join(root, 'node_modules'))) return 'node_modules is missing';
  if (!existsSync(nodePath)) return 'Node 24 is missing from node_modules';
  const wanted = stampOf(root);
  if (readOrNull(stampPath(root)) === wanted) return null;
  if (!holdsEverythingLocked(root)) return 'node_modules does not fit package-lock.json';
  try {
    writeFileSync(stampPath(root), wanted);
  } catch {
    // A node_modules that this user may read but not write is fine; only the shortcut is lost.
  }
  return null;
}

/**
 * Installs exactly what package-lock.json says, and Node 24 with it.
 * @throws {SetupError} with the command to run by hand
 */
export function installNodeModules({ root, nodePath, reason }) {
  process.stdout.write(`set-up: ${reason}; will install npm packages and Node 24 into ${root}/node_modules\n`);
  process.stdout.write('set-up: npm ci\n');
  run(root, 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (!existsSync(nodePath)) {
    // npm settings such as ignore-scripts keep the package `node` from bringing its program; do its install step.
    run(path.join(root, 'node_modules/node'), process.execPath, ['installArchSpecificPackage.js']);
  }
  const wanted = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).devDependencies.node;
  const got = spawnSync(nodePath, ['--version'], { encoding: 'utf8' }).stdout?.trim();
  if (got !== `v${wanted}`)
    throw new SetupError(`${nodePath} is ${got || 'not runnable'}, expected v${wanted}. ${retry(root)}`);
  writeFileSync(stampPath(root), stampOf(root));
}

const stampPath = (root) => path.join(root, 'node_modules/.drover-setup');

const stampOf = (root) =>
  createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');

function readOrNull(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function holdsEverythingLocked(root) {
  const installedText = readOrNull(path.join(root, 'node_modules/.package-lock.json'));
  if (installedText === null) return false;
  const installed = JSON.parse(installedText).packages;
  const locked = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(locked).every(([location, wanted]) => {
    if (location === '' || (wanted.optional && installed[location] === undefined)) return true;
    return installed[location]?.version === wanted.version && installed[location]?.integrity === wanted.integrity;
  });
}

function run(cwd, command, args) {
  // npm puts node_modules/.bin first on PATH for its scripts; `npm ci` removes that folder while it works, so it must
  // not be what its own children find `node` through.
  const searchPath = (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => !folder.endsWith('/node_modules/.bin') && !folder.endsWith('/node_modules/node/bin'))
    .join(':');
  const result = spawnSync(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, PATH: searchPath },
  });
  if (result.status === 0) return;
  // npm names the cause first and ends with its usage.
  const output = `${result.stderr ?? ''}${result.stdout ?? ''}`.trim().split('\n').slice(0, 15).join('\n  ');
  throw new SetupError(
    `${command} ${args[0]} failed${result.error ? `: ${result.error.message}` : ''}. It says:\n  ${output}\n${retry(cwd)}`,
  );
}

const retry = (cwd) => `Run this, then try again:\n  cd ${cwd} && npm ci`;
