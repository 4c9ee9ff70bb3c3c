import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';

import type * as Module from '../../../examples/cloudphone/shared/database.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { layOutExample } from '../run-example.ts';

/** Is about to write to a file that is not in write-ahead mode yet, as an instance that changes it, and takes its time. */
const writer = `
  import { DatabaseSync } from 'node:sqlite';
  const sqlite = new DatabaseSync(process.argv[1]);
  sqlite.exec('CREATE TABLE things (id TEXT); BEGIN IMMEDIATE');
  process.stdout.write('writing');
  setTimeout(() => sqlite.exec('COMMIT'), 300);
`;

test('sqlite: who opens a new file while another one is at it waits', async (t) => {
  const directory = layOutExample(t, 'cloudphone');
  const { openDatabase } = (await import(join(directory, 'shared/database.ts'))) as typeof Module;
  const file = join(tempDirectory(t), 'shop.db');
  const other = spawn(process.execPath, ['--input-type=module', '--eval', writer, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(other, 'exit');
  await once(other.stdout, 'data');

  const database = openDatabase(`sqlite:${file}`);
  await database.query('INSERT INTO things VALUES ($1)', ['a']);
  await database.close();
  await ended;
});
