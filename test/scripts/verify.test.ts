import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../scripts/verify.ts', import.meta.url));

function run(...args: string[]) {
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
}

test('--help names all checks and disturbances, and starts nothing', () => {
  const { status, stdout } = run('--help');
  assert.equal(status, 0);
  for (const name of [
    'device-ports',
    'payment',
    'notifications',
    'load-balancing',
    'uploads',
    'sessions',
    'expired-orders',
  ])
    assert.ok(stdout.includes(name), name);
  for (const name of ['deploys', 'host-kill', 'leader-kill']) assert.ok(stdout.includes(name), name);
});

for (const [args, names] of [
  [['--only', 'payment,nothing'], /--only: "nothing" is none of/],
  [['--during', 'rain'], /--during: "rain"/],
  [['--devices', 'many'], /--devices: "many"/],
  [['--only', 'expired-orders', '--ticks', '0'], /--ticks: "0"/],
  [['--ticks', '20'], /--ticks goes with --only expired-orders/],
  [['--against', 'http://127.0.0.1:1', '--during', 'all'], /--against/],
  [['--against', 'nowhere'], /--against: "nowhere"/],
  [['--colour'], /--colour/],
] as const) {
  test(`${args.join(' ')} is refused before anything is started`, () => {
    const { status, stderr } = run(...args);
    assert.equal(status, 2);
    assert.match(stderr, names);
    assert.match(stderr, /usage: npm run verify/);
  });
}

test('a platform that is not there breaks every promise that is looked at, and says what was not reached', () => {
  const { status, stdout } = run('--against', 'http://127.0.0.1:1', '--only', 'load-balancing', '--json');
  assert.equal(status, 1);
  const [result] = JSON.parse(stdout) as { name: string; commands: string[]; claims: { kept: boolean }[] }[];
  assert.equal(result?.name, 'load-balancing');
  assert.match(result.commands[0] ?? '', /127\.0\.0\.1:1\/health/);
  assert.ok(result.claims.length > 0 && result.claims.every(({ kept }) => !kept));
});
