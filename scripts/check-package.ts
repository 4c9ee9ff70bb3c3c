// Packs what npm would publish, installs it as a user would, and runs it: what the tree has and the package lacks shows here.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const folder = mkdtempSync(path.join(os.tmpdir(), 'drover-package-'));
// npm finds `node` through PATH; it must be the one that the tree is tested on.
const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env.PATH}` };

try {
  run('npm', ['pack', '--silent', '--pack-destination', folder], root);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm pack made no tarball');
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefix', folder, `./${tarball}`], folder);
  const installed = path.join(folder, 'node_modules/drover');
  if (existsSync(path.join(installed, 'test'))) throw new Error('the package holds tests');
  run(path.join(folder, 'node_modules/.bin/drover'), ['--version'], folder);
  process.stdout.write(`${tarball} installs and runs\n`);
} finally {
  rmSync(folder, { recursive: true });
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`${command} ${args[0]} failed: ${error?.message ?? `exit code ${status}`}`);
}
