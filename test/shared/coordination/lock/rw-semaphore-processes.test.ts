import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis } from '../../../support/redis.ts';
import { tempDirectory } from '../../../support/temp-directory.ts';

const prefix = 'processes';
const fixture = fileURLToPath(new URL('../../../fixtures/shares-locks.ts', import.meta.url));

test('over processes of which one is killed, a writer is alone, permits are two at most, and all others end by themselves', async (t) => {
  const server = await startRedis(t);
  await seedBoot(server.client(), prefix);
  const file = join(tempDirectory(t, 'drover-locks-'), 'record');
  appendFileSync(file, '');
  const read = () => readFileSync(file, 'utf8').trim().split('\n');
  const settings = JSON.stringify({ url: server.url, prefix, file, rounds: 20, ttlMs: 1500 });
  const children: ChildProcess[] = Array.from({ length: 4 }, () =>
    spawn(process.execPath, [fixture, settings], { stdio: ['ignore', 'inherit', 'inherit'] }),
  );
  t.after(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  const ends = children.map((child) => once(child, 'exit'));
  const victim = children[0]!;
  await eventually(() => read().filter((line) => line.endsWith(` ${victim.pid}`)).length > 6, { timeoutMs: 15_000 });
  victim.kill('SIGKILL');
  await ends[0];
  appendFileSync(file, `gone all ${victim.pid}\n`);
  for (const end of ends.slice(1)) assert.deepEqual(await end, [0, null]);

  const inside = { read: new Set<string>(), write: new Set<string>(), permit: new Set<string>() };
  for (const line of read()) {
    const [what, kind, pid] = line.split(' ') as [string, keyof typeof inside, string];
    if (what === 'gone') for (const each of Object.values(inside)) each.delete(pid);
    if (what === 'out') inside[kind].delete(pid);
    if (what === 'in') inside[kind].add(pid);
    assert.ok(inside.write.size === 0 || inside.write.size + inside.read.size === 1, `a writer was not alone: ${line}`);
    assert.ok(inside.permit.size <= 2, `more than two permits: ${line}`);
  }
});
