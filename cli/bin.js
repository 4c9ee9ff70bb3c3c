#!/usr/bin/env node
// The `drover` command. Plain JavaScript: it must run on whatever Node the machine has, to find the one it needs.

import { existsSync } from 'node:fs';
import module from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { execNode } from './exec-node.js';

const folder = path.dirname(fileURLToPath(import.meta.url));
const bundledNode = path.join(folder, '../node_modules/node/bin/node');

/** The first version that runs TypeScript without a flag. */
const oldestNode = [22, 18];

if (isOlder(process.versions.node, oldestNode)) {
  if (!existsSync(bundledNode)) {
    process.stderr.write(
      `drover needs Node ${oldestNode.join('.')} or newer, and this is ${process.version}. In a clone, run: npm run setup\n`,
    );
    process.exit(1);
  }
  execNode(bundledNode, [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)], process.env);
} else {
  module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE ?? compileCacheFolder());
  const source = path.join(folder, 'main.ts');
  // A published package holds compiled files only: Node does not strip types below node_modules.
  await import(existsSync(source) ? source : path.join(folder, '../dist/cli/main.js'));
}

function isOlder(version, [wantedMajor, wantedMinor]) {
  const [major, minor] = version.split('.').map(Number);
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

function compileCacheFolder() {
  return path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'drover/compile-cache');
}
