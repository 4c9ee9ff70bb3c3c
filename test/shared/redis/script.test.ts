import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { defineScript } from '../../../shared/redis/script.ts';
import { startRedis } from '../../support/redis.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

function scriptDirectory(t: Parameters<typeof tempDirectory>[0], files: Record<string, string>): URL {
  const directory = tempDirectory(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return pathToFileURL(`${directory}/`);
}

const redis = await startRedis({ after });

describe('defineScript', () => {
  test('a script runs with its keys and arguments, again after the server forgot it', async (t) => {
    const directory = scriptDirectory(t, {
      'append-value.lua': `return redis.call('APPEND', KEYS[1], ARGV[1] .. ARGV[2])`,
    });
    const appendValue = defineScript<{ keys: [list: string]; args: [text: string, n: number]; reply: number }>({
      name: 'append-value',
      file: new URL('append-value.lua', directory),
      numberOfKeys: 1,
    });
    const client = redis.client();
    assert.equal(await appendValue.run(client, ['a'], ['x', 1]), 2);
    assert.equal(await appendValue.run(client, ['a'], ['y', 2]), 4);
    await client.script('FLUSH');
    assert.equal(await appendValue.run(client, ['a'], ['z', 3]), 6);
    assert.equal(await client.get('a'), 'x1y2z3');
  });

  test('an include is put in once, though two files ask for it', async (t) => {
    const directory = scriptDirectory(t, {
      'main.lua': `--@include "one.lua"\n--@include "two.lua"\nreturn one() + two()`,
      'one.lua': `--@include "two.lua"\nlocal function one() return two() - 1 end`,
      'two.lua': `local function two() return 2 end`,
    });
    const script = defineScript<{ keys: []; args: []; reply: number }>({
      name: 'main',
      file: new URL('main.lua', directory),
      numberOfKeys: 0,
    });
    assert.equal(await script.run(redis.client(), [], []), 3);
    assert.equal(script.source.match(/local function two/g)?.length, 1);
  });

  test('an error that the script raises reaches the caller', async (t) => {
    const directory = scriptDirectory(t, { 'refuse.lua': `return redis.error_reply('TERM_STALE 7')` });
    const script = defineScript<{ keys: []; args: []; reply: never }>({
      name: 'refuse',
      file: new URL('refuse.lua', directory),
      numberOfKeys: 0,
    });
    await assert.rejects(script.run(redis.client(), [], []), /TERM_STALE 7/);
  });

  test('a missing file is refused when the script is defined', () => {
    const file = new URL('nowhere.lua', import.meta.url);
    assert.throws(() => defineScript({ name: 'nowhere', file, numberOfKeys: 0 }), /nowhere\.lua/);
  });
});

test('each Lua script in the tree states its input, output and events', () => {
  const root = new URL('../../../', import.meta.url);
  const scripts = globSync('{shared,controller,sdk}/**/scripts/*.lua', { cwd: root });
  assert.ok(scripts.length > 0);
  for (const path of scripts) {
    const text = readFileSync(new URL(path, root), 'utf8');
    for (const heading of ['Input', 'Output', 'Events']) {
      assert.match(text, new RegExp(`^-- ${heading}`, 'm'), `${path} has no "-- ${heading}" in its header`);
    }
  }
});
