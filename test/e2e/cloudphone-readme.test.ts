import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const directory = fileURLToPath(new URL('../../examples/cloudphone', import.meta.url));
/** Of Node, and of the agent, which the page explains in a sentence. */
const explained = /^(PORT|HOST|DROVER_.*|PATH|AWS_.*)$/;

/** What a source takes from its environment: `process.env.NAME`, `const { NAME = … } = process.env`, and `({ NAME = … }: Readonly<Record<…`. */
function namesIn(source: string): string[] {
  const destructured = [
    ...source.matchAll(/const \{([^}]*)\} = process\.env;|\(\{([^}]*)\}: Readonly<Record<string, string/g),
  ].flatMap(([, inside, given]) =>
    [...(inside ?? given)!.replace(/\/\*[\s\S]*?\*\/|'[^']*'/g, '').matchAll(/(?:^|,)\s*([A-Z][A-Z_0-9]+)/g)].map(
      ([, name]) => name!,
    ),
  );
  return [...destructured, ...[...source.matchAll(/process\.env\.([A-Z][A-Z_0-9]+)/g)].map(([, name]) => name!)];
}

test('the README of cloudphone names the environment variables of the services, and no others', async () => {
  const read = new Set<string>();
  for await (const file of glob('{*-service,api-gateway,shared}/**/*.ts', { cwd: directory })) {
    for (const name of namesIn(await readFile(join(directory, file), 'utf8'))) read.add(name);
  }
  const text = await readFile(join(directory, 'README.md'), 'utf8');
  const rows = text.slice(text.indexOf('## Environment variables')).match(/^\| `[^|]*/gm) ?? [];
  const documented = rows.flatMap((row) => [...row.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
  assert.ok(documented.length > 20);
  assert.deepEqual([...documented].sort(), [...read].filter((name) => !explained.test(name)).sort());
});
