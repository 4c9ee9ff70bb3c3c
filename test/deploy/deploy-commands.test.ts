import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDeployCommands } from './deploy-commands.ts';

const commands = readDeployCommands();

test('every command that we ship is one of the CLI', () => {
  const verbs = new Set(
    commands.map(({ argv }) =>
      argv
        .filter((word) => /^[a-z]+$/.test(word))
        .slice(0, 2)
        .join(' '),
    ),
  );
  assert.deepEqual([...verbs].sort(), ['agent join', 'controller start', 'deploy', 'token create']);
});

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
