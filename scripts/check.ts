// npm run check: what a reviewer would otherwise have to look for by hand. Types, lint, and reference pages in step.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { readArguments } from './read-arguments.ts';

readArguments('usage: npm run check: types, format, lint, and whether the reference pages are in step\n');

const root = path.dirname(import.meta.dirname);

type Step = { title: string; script: string; args: string[] };

const steps: Step[] = [
  { title: 'types', script: 'node_modules/typescript/bin/tsc', args: ['-p', '.'] },
  { title: 'format and lint', script: 'node_modules/@biomejs/biome/bin/biome', args: ['check', '.'] },
  { title: 'reference pages', script: 'scripts/docs.ts', args: ['--check'] },
];

const failed = steps.filter((step) => !passes(step));
for (const { title } of failed) process.stderr.write(`check failed: ${title}\n`);
process.exit(failed.length === 0 ? 0 : 1);

function passes({ title, script, args }: Step): boolean {
  process.stdout.write(`check: ${title}\n`);
  return spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' }).status === 0;
}
