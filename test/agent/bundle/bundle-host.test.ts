import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { BundleHost } from '../../../agent/bundle/bundle-host.ts';
import { readBootId, readProcessIdentity } from '../../../agent/process/process-identity.ts';
import { appendExitRecord, bundlePaths, writeJsonFile } from '../../../agent/shim/bundle-files.ts';
import { encodeJsonLine, JsonLineDecoder } from '../../../agent/shim/json-lines.ts';
import { type ExitRecord, PROTOCOL_VERSION, type RequestLine } from '../../../agent/shim/protocol.ts';
import { systemClock } from '../../../shared/runtime/clock.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { testBundle } from '../shim/run-shim.ts';

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

test('a worker that its shim was asked to start is known from the answer on, and not started again', async (t) => {
  const root = tempDirectory(t);
  await answerAsShim(t, root);
  const host = new BundleHost({
    ...{ root: join(root, 'bundles'), compileCacheDirectory: root, clock: systemClock, logger: silentLogger },
    ...{ onChange() {}, onWorkersLost() {} },
  });
  t.after(() => host.close());
  await host.adopt();
  assert.equal(host.stateOf('web@1'), 'connected');
  await host.request('web@1', { type: 'start', instance: { id: 'i-1', slot: 0, port: null, env: {} } });
  assert.equal(host.worker('web@1', 'i-1')?.phase, 'starting');
});

/** A shim that has no process to tell of yet, as one that writes its records to a slow disk. It is this process. */
async function answerAsShim(t: Lifetime, root: string): Promise<void> {
  const bundle = testBundle(root);
  const shim = readProcessIdentity(process.pid)!;
  const welcome = { version: PROTOCOL_VERSION, service: 'web', revision: 1, shim, sequence: 0, workers: [] };
  const server = createServer((socket) => {
    const decoder = new JsonLineDecoder({
      onValue(value) {
        const { request, type } = value as RequestLine;
        socket.write(encodeJsonLine({ type: 'reply', request, result: type === 'hello' ? welcome : null }));
      },
      onBroken: assert.fail,
    });
    socket.on('data', (chunk: Buffer) => decoder.push(chunk));
  });
  server.listen(bundle.socketPath);
  t.after(() => void server.close());
  await once(server, 'listening');
  const files = bundlePaths(join(root, 'bundles/web@1'));
  mkdirSync(join(root, 'bundles/web@1'), { recursive: true });
  writeJsonFile(files.bundle, bundle);
  writeJsonFile(files.shim, { ...shim, version: PROTOCOL_VERSION, socketPath: bundle.socketPath });
}
