import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BundleHost } from '../../../agent/bundle/bundle-host.ts';
import { readBootId } from '../../../agent/process/process-identity.ts';
import { appendExitRecord } from '../../../agent/shim/bundle-files.ts';
import type { ExitRecord } from '../../../agent/shim/protocol.ts';
import { systemClock } from '../../../shared/runtime/clock.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

test('a recorded end counts until the host is booted again, whatever became of its wall clock since', (t) => {
  const root = tempDirectory(t);
  const record = (instanceId: string, change: Partial<ExitRecord>) => {
    mkdirSync(join(root, 'job@1'), { recursive: true });
    appendExitRecord(join(root, 'job@1'), {
      ...{ instanceId, slot: 0, pid: 7, bootId: readBootId(), reason: 'exit', code: 0, signal: null, at: Date.now() },
      ...{ uptimeMs: 1, message: 'exited with code 0', lastLines: [], forced: false },
      ...change,
    });
  };
  // As after a step of the clock from 1970.
  record('of-this-boot', { at: 0 });
  record('of-another-boot', { bootId: 'another' });
  const host = new BundleHost({
    ...{ root, compileCacheDirectory: root, clock: systemClock, logger: silentLogger },
    ...{ onChange() {}, onWorkersLost() {} },
  });
  assert.equal(host.recordedExit('job@1', 'of-this-boot')?.at, 0);
  assert.equal(host.recordedExit('job@1', 'of-another-boot'), null);
  assert.equal(host.recordedExit('job@1', 'unknown'), null);

  // As by a disk that became full.
  appendFileSync(join(root, 'job@1/exits.jsonl'), '{"instanceId":"cut-sho');
  record('after-it', {});
  assert.equal(host.recordedExit('job@1', 'after-it')?.code, 0);
});
