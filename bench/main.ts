// npm run bench -- [name] [--quick] [--json]: runs one benchmark, or all of them one after the other.

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { readArguments } from '../scripts/read-arguments.ts';
import type { Benchmark } from './benchmark.ts';

const available = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(path.join(import.meta.dirname, entry.name, 'index.ts')))
  .map((entry) => entry.name)
  .sort();
const usage = `usage: npm run bench [-- [--quick] [--json] [name ...]]

  --quick   short, for a look at whether it works
  --json    its figures as JSON
  name      of ${available.join(', ')}; without one all of them
`;
const { values, positionals } = readArguments(usage, (args) => {
  const options = { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } as const;
  const read = parseArgs({ args, allowPositionals: true, options });
  const unknown = read.positionals.filter((name) => !available.includes(name));
  if (unknown.length > 0) throw new Error(`There is no benchmark ${unknown.join(', ')}`);
  return read;
});

for (const name of positionals.length > 0 ? positionals : available) {
  const benchmark = (await import(`./${name}/index.ts`)) as Benchmark;
  if (!values.json) process.stdout.write(`\n${name}${values.quick ? ' (quick)' : ''}\n`);
  const result = await benchmark.run({ quick: values.quick });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : renderFigures(result.figures));
}
// A benchmark that leaves a handle open must not keep the command from ending; its processes are its own to stop.
process.exit(0);

function renderFigures(figures: Record<string, number>): string {
  const rows = Object.entries(figures).map(([name, value]): [string, string] => [name, formatFigure(value)]);
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length));
  return rows.map(([name, value]) => `  ${name.padEnd(nameWidth)}  ${value.padStart(valueWidth)}\n`).join('');
}

function formatFigure(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}
