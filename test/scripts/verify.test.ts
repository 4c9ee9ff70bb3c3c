import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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

test('where no platform is, nothing is looked at, and what was not reached is named', () => {
  const { status, stdout, stderr } = run('--against', 'http://127.0.0.1:1', '--json');
  assert.equal(status, 1);
  assert.deepEqual(JSON.parse(stdout), []);
  assert.match(stderr, /http:\/\/127\.0\.0\.1:1\/health does not answer: .+/);
  assert.match(stderr, /Nothing was looked at/);
});

test('what is no platform is named with what it answers', async (t) => {
  const server = createServer((_request, response) => response.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const child = spawn(process.execPath, [program, '--against', `http://127.0.0.1:${port}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = await child.stdout.setEncoding('utf8').toArray();
  assert.match(said.join(''), new RegExp(`:${port}/health is not that of a service of cloudphone: it answers 200`));
});
