import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDirectory } from '../../support/temp-directory.ts';
import { layOutExample } from '../run-example.ts';

for (const service of ['api-gateway', 'app-service', 'billing-service', 'device-service', 'notification-service']) {
  test(`${service} does not start with an AUTH that is neither optional nor required`, (t) => {
    const main = join(layOutExample(t, 'cloudphone'), service, 'main.ts');
    const { status, stderr } = spawnSync(process.execPath, [main], {
      env: { PATH: process.env.PATH, DROVER_TEST_RUN: process.env.DROVER_TEST_RUN, AUTH: 'Required', PORT: '0' },
      cwd: tempDirectory(t),
      encoding: 'utf8',
      timeout: 30_000,
    });
    assert.match(stderr, /AUTH is "Required"; write optional or required/);
    assert.equal(status, 1);
  });
}
