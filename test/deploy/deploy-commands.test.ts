import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadCommands } from '../../cli/command-table.ts';
import { readDeployCommands } from './deploy-commands.ts';

const commands = readDeployCommands();
const cliCommands = await loadCommands();

for (const { source, argv } of commands) {
  test(`the CLI has the command and the options of ${source}`, () => {
    const words = argv.slice(0, 2).join(' ');
    const definition = cliCommands.find(({ name }) => words === name || words.startsWith(`${name} `));
    assert.ok(definition, `there is no command ${words}`);
    const known = Object.values(definition.options).map(({ flags }) => /--[a-z-]+/.exec(flags)?.[0]);
    const unknown = argv.filter((word) => word.startsWith('--') && !known.includes(word));
    assert.deepEqual(unknown, []);
  });
}

test('no secret is an argument', () => {
  for (const { source, argv } of commands) {
    for (const secret of ['--token', '--redis-url', '--cluster-key']) {
      assert.ok(!argv.some((word) => word === secret || word.startsWith(`${secret}=`)), `${source} has ${secret}`);
    }
    assert.doesNotMatch(argv.join(' '), /rediss?:\/\/|dr[a-z]{2}_/, source);
  }
});

test('exactly one node of the compose file routes, and it runs no workers', () => {
  const routers = commands.filter(({ source, argv }) => source.startsWith('docker') && argv.includes('--router'));
  assert.equal(routers.length, 1);
  assert.ok(routers[0]!.argv.includes('--ineligible'));
});
