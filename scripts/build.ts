// npm run build: compiles what is published into dist/, because Node does not strip types below node_modules.

import { spawnSync } from 'node:child_process';
import { cp, glob, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { compileProgramAddresses } from './build/program-addresses.ts';
import { readArguments } from './read-arguments.ts';

const root = path.dirname(import.meta.dirname);
const dist = path.join(root, 'dist');

/** Files that the compiler does not carry over but the programs read or run beside their own code. */
const assets = '{shared,controller,agent,cli,sdk,dashboard}/**/*.{lua,cjs,mjs,html,css,svg}';

readArguments('usage: npm run build: compiles what is published into dist/\n');
await rm(dist, { recursive: true, force: true });
const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
const compiled = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (compiled.status !== 0) process.exit(1);
for await (const asset of glob(assets, { cwd: root })) await cp(path.join(root, asset), path.join(dist, asset));
for await (const file of glob('**/*.js', { cwd: dist })) {
  const text = await readFile(path.join(dist, file), 'utf8');
  const rewritten = compileProgramAddresses(text);
  if (rewritten !== text) await writeFile(path.join(dist, file), rewritten);
}
process.stdout.write(`compiled into ${dist}\n`);
