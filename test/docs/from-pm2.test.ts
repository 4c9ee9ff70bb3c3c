import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { isDroverError } from '../../shared/contracts/drover-error.ts';
import { droverFields } from '../../shared/contracts/ecosystem/drover-fields.ts';
import { pm2Fields } from '../../shared/contracts/ecosystem/pm2-fields.ts';
import { parseEcosystem } from '../../shared/contracts/ecosystem.ts';
import { root } from '../architecture/source-tree.ts';
import { readDocument } from './read-document.ts';

const guide = readDocument('docs/guides/from-pm2.md');
const text = readFileSync(path.join(root, guide.file), 'utf8');

/** Every word that PM2 7 takes as a command, and its other programs. */
const commandsOfPm2 = `
  start stop restart reload delete del startOrRestart startOrReload startOrGracefulReload scale reset list ls l ps status
  jlist prettylist slist sysinfos describe desc info show env id pid logs log flush reloadLogs logrotate monit dashboard dash
  imonit trigger sendSignal send attach inspect profile:mem profile:cpu dump save cleardump resurrect startup unstartup kill
  ping update updatePM2 deepUpdate report ecosystem init create deploy serve expose set get unset multiset conf config
  install module:install module:update uninstall module:uninstall module:generate package publish module:publish
  pull forward backward install-otel uninstall-otel link unlink plus register login logout open monitor unmonitor
  autoinstall examples pm2-runtime pm2-docker pm2-dev`
  .trim()
  .split(/\s+/);

/** The rows of the tables below a heading, as cells. */
function readTable(heading: string): string[][] {
  const [, after = ''] = text.split(`\n## ${heading}\n`);
  return after
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => /^\| /.test(line) && !/^\| ---/.test(line))
    .map((line) => line.slice(1, -1).split('|'));
}

function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
}

/** What the guide shows as its ecosystem file. */
function readFile(): { apps: Record<string, unknown>[] } {
  const module = { exports: {} };
  runInNewContext(blockThat(/^module\.exports/).join('\n'), { module });
  return structuredClone(module.exports) as { apps: Record<string, unknown>[] };
}

function blockThat(shows: RegExp): readonly string[] {
  const found = guide.blocks.find(({ lines }) => shows.test(lines[0]!));
  assert.ok(found, `a block begins with ${shows}`);
  return found.lines;
}

function captureError(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

const file = '/srv/shop/ecosystem.config.js';

test('the guide says of every command of PM2 what it is here', () => {
  const told = new Set(
    readTable('Every command').flatMap(([pm2 = '']) => namesIn(pm2).map((name) => name.split(' ')[0])),
  );
  assert.deepEqual(
    commandsOfPm2.filter((name) => !told.has(name)),
    [],
  );
});

test('the fields that the guide lists as without effect are all that are, and those it compares exist', () => {
  const listed = /Noted, without effect:\n([\s\S]*?)`drover plan`/.exec(text)?.[1] ?? '';
  const ignored = Object.entries(pm2Fields).flatMap(([name, { kind }]) => (kind === 'ignored' ? [name] : []));
  assert.deepEqual(namesIn(listed).sort(), [...ignored, 'deploy', 'apps'].sort());

  const rows = readTable('Fields that mean something else').slice(1);
  assert.ok(rows.length >= 20);
  const notFields = new Set(['PORT', 'NODE_APP_INSTANCE', 'env_<name>', 'env_file', 'user']);
  const compared = rows.flatMap(([field = '']) => namesIn(field).map((name) => name.split(':')[0]!));
  assert.deepEqual(
    compared.filter((name) => !(name in pm2Fields) && !(name in droverFields) && !notFields.has(name)),
    [],
  );
  const refused = Object.entries(pm2Fields).flatMap(([name, { kind }]) => (kind === 'refused' ? [name] : []));
  for (const name of refused) assert.ok(compared.includes(name), `${name} is refused, and the guide does not say so`);
});

test('the file of the guide is read with the notes that the guide shows', () => {
  const { notes } = parseEcosystem(readFile(), { file, env: 'production' });
  const shown = blockThat(/^note /)
    .filter((line) => line.startsWith('note '))
    .map((line) => line.slice('note '.length));
  assert.deepEqual(notes, shown);
});

test('the two keys from elsewhere are refused in the words that the guide shows', () => {
  const wrong = readFile();
  Object.assign(wrong.apps[0]!, { reload_delay: 1000, env_file: '.env.production' });
  const [, ...shown] = blockThat(/^error /);
  const refusal = captureError(() => parseEcosystem(wrong, { file, env: 'production' }));
  assert.ok(isDroverError(refusal));
  assert.deepEqual(
    refusal.issues?.map(
      ({ path: at, reason, allowed }) => `  ${at}: ${reason}${allowed === undefined ? '' : ` (allowed: ${allowed})`}`,
    ),
    shown,
  );
});

test('with the keys for Drover the file leads to port 3100, and to as many instances on each host as PM2 has', () => {
  const keys = runInNewContext(`${blockThat(/^const keysForDrover/).join('\n')}; keysForDrover`);
  const both = readFile();
  Object.assign(both.apps[0]!, structuredClone(keys));
  const { services } = parseEcosystem(both, { file, env: 'production' });
  const [{ spec }] = services as [(typeof services)[0]];
  assert.deepEqual(spec.routes, [{ port: 3100 }]);
  assert.deepEqual(spec.scale, { instances: 4, hosts: 'all' });
  assert.equal(spec.drainTimeoutMs, 15_000);
});
