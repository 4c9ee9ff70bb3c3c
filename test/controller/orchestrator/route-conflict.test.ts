import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findRouteConflict } from '../../../controller/orchestrator/route-conflict.ts';
import type { Snapshot } from '../../../shared/contracts/snapshot.ts';
import { type Route, serviceSpecSchema } from '../../../shared/contracts/spec.ts';

const specOf = (name: string, routes: Route[]) => serviceSpecSchema.parse({ name, script: 'x.js', routes });

function snapshotWith(name: string, routes: Route[], change: { deleted?: boolean } = {}): Snapshot {
  return {
    services: [{ name, target: { revision: 1, generation: 0 }, deleted: false, ...change }],
    revisions: [{ service: name, revision: 1, spec: specOf(name, routes) }],
  } as unknown as Snapshot;
}

const table: [title: string, theirs: Route, ours: Route, conflict: string | null][] = [
  ['the same port', { port: 3000 }, { port: 3000 }, 'port 3000'],
  ['another port', { port: 3000 }, { port: 3001 }, null],
  ['one port shared by two hosts', { port: 3000, host: 'a' }, { port: 3000, host: 'b' }, null],
  ['the same host, in other letters', { host: 'A.example' }, { host: 'a.example' }, 'host a.example'],
  ['another path of one host', { host: 'a', path: '/x' }, { host: 'a', path: '/y' }, null],
  ['no path and the path /', { host: 'a' }, { host: 'a', path: '/' }, 'host a, path /'],
];

for (const [title, theirs, ours, conflict] of table) {
  test(`${title} is ${conflict === null ? 'no conflict' : 'a conflict'}`, () => {
    const found = findRouteConflict(snapshotWith('other', [theirs]), specOf('mine', [ours]));
    assert.deepEqual(found, conflict === null ? null : { route: conflict, service: 'other' });
  });
}

test('a service does not conflict with itself, nor with one that is being deleted', () => {
  assert.equal(findRouteConflict(snapshotWith('mine', [{ port: 1 }]), specOf('mine', [{ port: 1 }])), null);
  assert.equal(
    findRouteConflict(snapshotWith('other', [{ port: 1 }], { deleted: true }), specOf('mine', [{ port: 1 }])),
    null,
  );
});
