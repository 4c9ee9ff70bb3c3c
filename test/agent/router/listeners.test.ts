import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Front } from '../../../agent/router/front.ts';
import { Listeners } from '../../../agent/router/listeners.ts';
import { ServingTable } from '../../../agent/router/serving-table.ts';
import { noFailures } from '../../../agent/router/traffic.ts';
import { isPortFree } from '../../../scripts/cluster/port-block.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { ownPort } from '../../support/own-port.ts';

/** Each port is bound only when `release` lets it, as where the name of a host has to be looked up first. */
function build(t: Lifetime) {
  const waiting: (() => void)[] = [];
  let isHeld = false;
  class SlowFront extends Front {
    override async listen(port: number, host: string): Promise<void> {
      if (isHeld) await new Promise<void>((resolve) => waiting.push(resolve));
      await super.listen(port, host);
    }
  }
  const table = new ServingTable({ onNotice() {}, onBusyChanged() {} });
  const limits = { maxConnections: 10, maxHeaderBytes: 1024, headTimeoutMs: 1000, keepAliveTimeoutMs: 1000 };
  const context = { failures: noFailures(), nowMs: () => performance.now() };
  const listeners = new Listeners({
    host: '127.0.0.1',
    createFront: (port) => new SlowFront({ table, context, limits, trustForwarded: false }, port),
    onErrorsChanged() {},
  });
  t.after(() => listeners.close());
  return {
    listeners,
    hold: () => {
      isHeld = true;
    },
    waiting,
    release: () => {
      isHeld = false;
      for (const go of waiting.splice(0)) go();
    },
  };
}

test('a retry and a new table that want the same port at once do not take each other for a stranger', async (t) => {
  const { listeners, hold, waiting, release } = build(t);
  const port = await ownPort();
  const stranger = createServer().listen(port, '127.0.0.1');
  await once(stranger, 'listening');
  await listeners.set([port]);
  assert.deepEqual(listeners.errors, [{ port, code: 'EADDRINUSE' }]);
  stranger.close();
  await once(stranger, 'close');
  hold();
  // The retry.
  await eventually(() => waiting.length === 1);
  const changed = listeners.set([port]);
  release();
  await changed;
  await eventually(() => listeners.fronts.length === 1);
  assert.deepEqual(listeners.errors, []);
});

test('a port that leaves the table while it is being opened does not stay open', async (t) => {
  const { listeners, hold, waiting, release } = build(t);
  const port = await ownPort();
  hold();
  const opening = listeners.set([port]);
  await eventually(() => waiting.length === 1);
  await listeners.set([]);
  release();
  await opening;
  assert.deepEqual([listeners.fronts.length, listeners.errors], [0, []]);
  await eventually(() => isPortFree(port));
});
