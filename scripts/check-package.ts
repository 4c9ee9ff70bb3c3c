// Packs what npm would publish, installs it as a user would, and runs it: what the tree has and the package lacks shows here.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readArguments } from './read-arguments.ts';

const consumer = `
import Fastify from 'fastify';
import { connect, type Drover, type HeldLock, isDroverError } from 'drover';
import { createClient } from 'drover/client';
import * as express from 'drover/express';
import { droverCallback } from 'drover/fastify';
import { mountSocketIo } from 'drover/socket-io';
import { openTestDrover } from 'drover/testing';

const drover: Drover = connect({ url: 'redis://127.0.0.1:1' });
const lock: HeldLock = await drover.lock('order:42', { ttlMs: 10_000 });
const token: number = lock.token;
// @ts-expect-error a wait is a number
await drover.lock('order:42', { waitMs: 'long' });
const route = droverCallback(Fastify(), { callbacks: drover.callbacks(), scope: 'stripe', key: () => '1' });
route('/hooks', async (run) => ({ status: 200, body: String(run.token) }));
export default [token, isDroverError, createClient, express.fence, mountSocketIo, openTestDrover];
`;
readArguments('usage: npm run check:package: packs what npm would publish, installs it and runs it\n');
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
  checkEntries();
  checkTypes();
  process.stdout.write(`${tarball} installs and runs\n`);
} finally {
  rmSync(folder, { recursive: true });
}

/** Every entry, imported and required, as ES modules and CommonJS do, by the Node that is under test. */
function checkEntries(): void {
  const main: Record<string, string> = {
    drover: 'connect',
    'drover/client': 'createClient',
    'drover/fastify': 'droverCallback',
    'drover/express': 'droverCallback',
    'drover/socket-io': 'mountSocketIo',
    'drover/testing': 'openTestDrover',
  };
  const entries = JSON.stringify(main);
  const check = (load: string) => `
    for (const [entry, name] of Object.entries(${entries})) {
      const loaded = ${load}(entry);
      if (typeof loaded[name] !== 'function') throw new Error(entry + ' has no ' + name);
    }`;
  writeFileSync(path.join(folder, 'imports.mjs'), check('await import'));
  writeFileSync(path.join(folder, 'requires.cjs'), check('require'));
  for (const file of ['imports.mjs', 'requires.cjs']) run(process.execPath, [file], folder);
}

/** A service in TypeScript, with the settings of whoever follows the handbook. */
function checkTypes(): void {
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(path.join(folder, 'consumer.ts'), consumer);
  // The expected error in it proves that the types say something: were they `any`, there would be none.
  const settings = ['--module', 'nodenext', '--moduleResolution', 'nodenext', '--target', 'esnext', '--lib', 'esnext'];
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', '--noEmit'];
  const nodeTypes = ['--typeRoots', path.join(root, 'node_modules/@types'), '--types', 'node'];
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
  run(process.execPath, [compiler, ...settings, ...strict, ...nodeTypes, 'consumer.ts'], folder);
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`${command} ${args[0]} failed: ${error?.message ?? `exit code ${status}`}`);
}
