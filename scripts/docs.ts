// npm run docs: writes the reference pages from the contracts. With --check it writes nothing and fails when a page is not in step.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { findStalePages } from './docs/find-stale-pages.ts';
import { referenceFolder, renderReferencePages } from './docs/reference-pages.ts';
import { readArguments } from './read-arguments.ts';

const usage = `usage: npm run docs [-- --check]

  --check   write nothing, and end with 1 when a page is not in step
`;
const { check } = readArguments(usage, (args) => {
  return parseArgs({ args, options: { check: { type: 'boolean', default: false } } }).values;
});
const folder = path.join(path.dirname(import.meta.dirname), referenceFolder);
mkdirSync(folder, { recursive: true });
const stale = findStalePages(folder);

if (check) {
  for (const { name, problem } of stale) {
    process.stderr.write(`${referenceFolder}/${name} is ${problem}; run: npm run docs\n`);
  }
  process.exit(stale.length === 0 ? 0 : 1);
}

for (const { name, problem } of stale) {
  if (problem === 'unknown') rmSync(path.join(folder, name));
}
for (const [name, text] of renderReferencePages()) writeFileSync(path.join(folder, name), text);
process.stdout.write(`wrote ${renderReferencePages().size} pages into ${referenceFolder}\n`);
