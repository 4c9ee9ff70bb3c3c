import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRoutes } from '../../../agent/router/compile-routes.ts';

const match = compileRoutes([
  { host: undefined, path: '/', service: 'any' },
  { host: undefined, path: '/api', service: 'api' },
  { host: undefined, path: '/api/v2/', service: 'v2' },
  { host: 'a.example', path: '/', service: 'a' },
  { host: 'b.example', path: '/only', service: 'b' },
]);

const cases: [string, string, string][] = [
  ['x', '/', 'any'],
  ['x', '/apix', 'any'],
  ['x', '/api', 'api'],
  ['x', '/api?q=1', 'api'],
  ['x', '/api/v2', 'api'],
  ['x', '/api/v2/things', 'v2'],
  ['a.example', '/api', 'a'],
  ['b.example', '/only/this', 'b'],
  ['b.example', '/api', 'api'],
];

for (const [host, path, service] of cases) {
  test(`${host}${path} goes to ${service}`, () => assert.equal(match(host, path), service));
}

test('nothing matches where there is no route', () => {
  assert.equal(compileRoutes([{ host: 'a', path: '/', service: 'a' }])('b', '/'), null);
});
