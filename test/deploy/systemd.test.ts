import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { readUnit, unitNames } from './deploy-commands.ts';

const hasAnalyze = spawnSync('systemd-analyze', ['--version'], { stdio: 'ignore' }).status === 0;

for (const name of unitNames) {
  const skip = hasAnalyze ? false : 'systemd-analyze is not on this machine (Debian package systemd)';
  test(`${name} passes systemd-analyze verify`, { skip }, (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'drover-units-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = path.join(folder, name);
    // The command is not installed here, and verify wants one that can be run.
    writeFileSync(file, readUnit(name).replaceAll('/usr/bin/drover', process.execPath));
    const result = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
    const complaints = result.stderr.split('\n').filter((line) => line.includes(name));
    assert.deepEqual(complaints, []);
  });
}

test('stopping or restarting an agent leaves its workers alone', () => {
  const settings = readSettings('drover-agent.service');
  assert.equal(settings.get('KillMode'), 'process');
  assert.equal(settings.get('Delegate'), 'yes');
  assert.equal(settings.get('OOMPolicy'), 'continue');
});

test('nothing in the agent unit holds for workers in a way that breaks them', () => {
  const settings = readSettings('drover-agent.service');
  const inherited = [
    'PrivateTmp',
    'ProtectSystem',
    'ProtectHome',
    'NoNewPrivileges',
    'SystemCallFilter',
    'MemoryDenyWriteExecute',
    'OOMScoreAdjust',
    'MemoryMax',
  ];
  assert.deepEqual(
    inherited.filter((name) => settings.has(name)),
    [],
  );
});

test('both units come back whenever they end, and run as a user of their own', () => {
  for (const name of unitNames) {
    const settings = readSettings(name);
    assert.equal(settings.get('Restart'), 'always', name);
    assert.equal(settings.get('StartLimitIntervalSec'), '0', name);
    assert.equal(settings.get('User'), 'drover', name);
  }
});

function readSettings(name: string): Map<string, string> {
  return new Map([...readUnit(name).matchAll(/^(\w+)=(.*)$/gm)].map((match) => [match[1]!, match[2]!]));
}
