import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reachableAddress } from '../../../cli/commands/reachable-address.ts';

test('other hosts reach the address of --listen, else that of --address, and none of this host alone', () => {
  assert.equal(reachableAddress(), undefined);
  assert.equal(reachableAddress('127.0.0.1:7700', '127.0.0.1'), undefined);
  assert.equal(reachableAddress('localhost:7700', '::1'), undefined);
  assert.equal(reachableAddress('10.0.0.5:7700', '127.0.0.1'), '10.0.0.5');
  assert.equal(reachableAddress('0.0.0.0:7700', '10.0.0.5'), '10.0.0.5');
  assert.equal(reachableAddress('[fd00::5]:7700'), 'fd00::5');
  assert.equal(reachableAddress('[::]:7700', 'db.example'), 'db.example');
});
