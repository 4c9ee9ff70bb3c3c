// Runs one program of this tree: set-up first, then Node 24 in this process's place.
//
//   node scripts/run.mjs [--with haproxy] [--want wrk] <entry.ts | entry.js> [arguments]

import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { execNode } from '../cli/exec-node.js';
import { exitWithSetupError, nodePath, readSetupOptions, setUp } from './setup.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const { options, rest } = readSetupOptions(process.argv.slice(2));
const [entry, ...args] = rest;
if (entry === undefined) {
  process.stderr.write('usage: node scripts/run.mjs [--with a,b] [--want c,d] <entry> [arguments]\n');
  process.exit(1);
}
try {
  setUp(options);
} catch (error) {
  exitWithSetupError(error);
}
const cacheHome = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache');
execNode(nodePath, [path.resolve(root, entry), ...args], {
  NODE_COMPILE_CACHE: path.join(cacheHome, 'drover/compile-cache'),
  ...process.env,
});
