import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { provideSdk } from '../../agent/artifact/provide-sdk.ts';
import { seedBoot } from '../../shared/coordination/lease/seed-boot.ts';
import { root } from '../architecture/source-tree.ts';
import { startRedis } from '../support/redis.ts';
import { tempDirectory } from '../support/temp-directory.ts';
import { readDocument } from './read-document.ts';

const execute = promisify(execFile);
const prefix = 'guides';
/** A program that hangs is ended; none of them takes more than a second. */
const timeoutMs = 20_000;

/** A server in an example is stopped as soon as it says that it can be. */
const stopWhenReady = `process.on('newListener', (name) => {
  if (name === 'SIGINT') setImmediate(() => process.kill(process.pid, 'SIGINT'));
});`;

/** Those that end, by themselves or on SIGINT, and need nothing but Redis. */
const examples = globSync('docs/guides/*.md', { cwd: root })
  .sort()
  .flatMap((file) =>
    readDocument(file)
      .blocks.filter(({ language }) => language === 'js')
      .map(({ lines }, index) => ({ name: `${path.basename(file, '.md')}-${index + 1}`, text: lines.join('\n') })),
  )
  .filter(
    ({ text }) => /\nawait drover\.close\(\);$|process\.once\('SIGINT'/.test(text) && !/fetch\(|quorum/.test(text),
  );

test('the examples of the guides run as they are, and end without a warning', async (t) => {
  const directory = tempDirectory(t);
  const redis = await startRedis(t);
  await seedBoot(redis.client(), prefix);
  provideSdk(directory);
  for (const name of ['express', 'fastify', 'socket.io']) {
    symlinkSync(path.join(root, 'node_modules', name), path.join(directory, 'node_modules', name));
  }
  writeFileSync(path.join(directory, 'stop-when-ready.mjs'), stopWhenReady);
  assert.ok(examples.length >= 20, 'there are examples');
  for (const { name, text } of examples) {
    const file = path.join(directory, `${name}.mjs`);
    writeFileSync(file, text);
    const { stderr } = await execute(process.execPath, ['--import', './stop-when-ready.mjs', file], {
      cwd: directory,
      timeout: timeoutMs,
      env: {
        ...{ DROVER_COORDINATION_URL: redis.url, DROVER_COORDINATION_PREFIX: prefix, DROVER_NODE: 'host-1' },
        PORT: '0',
      },
    });
    // node:sqlite says of itself that it is experimental, depending on the version.
    const said = stderr.split('\n').filter((line) => line !== '' && !/SQLite|--trace-warnings/.test(line));
    assert.deepEqual(said, [], name);
  }
});
