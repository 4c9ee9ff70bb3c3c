import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { type ConnectOptions, type Environment, resolveOptions } from '../../sdk/connect-options.ts';
import { DroverError } from '../../shared/contracts/drover-error.ts';

const url = 'redis://127.0.0.1:1';

function issuesOf(options: ConnectOptions, environment: Environment = {}): string[] {
  try {
    resolveOptions(options, environment, 1);
  } catch (error) {
    assert.ok(error instanceof DroverError);
    assert.equal(error.code, 'ARGUMENT_INVALID');
    return (error.issues ?? []).map(({ path, allowed }) => {
      assert.ok(allowed === undefined || allowed.length > 0);
      return path;
    });
  }
  return [];
}

test('in a worker the environment says everything', () => {
  const environment = {
    DROVER_COORDINATION_URL: url,
    DROVER_COORDINATION_PREFIX: 'shop',
    DROVER_NODE: 'web-1',
    DROVER_INSTANCE_ID: 'api.3',
  };
  assert.deepEqual(resolveOptions({}, environment, 1), {
    ...{ url, prefix: 'shop', host: 'web-1', identity: 'web-1/api.3' },
    ...{ minReplicas: 0, guard: undefined, quorum: [], serviceUrls: new Map() },
  });
});

test('what is given comes before the environment, and without both there are defaults', () => {
  const environment = { DROVER_COORDINATION_URL: 'redis://other:1', DROVER_NODE: 'web-1' };
  const given = { url, prefix: 'own', identity: 'me', host: 'here', minReplicas: 1, guard: 'failover' } as const;
  assert.deepEqual(resolveOptions(given, environment, 1), { ...given, quorum: [], serviceUrls: new Map() });
  const { identity, prefix } = resolveOptions({ url }, {}, 7);
  assert.deepEqual([identity, prefix], [`${hostname()}/7`, 'drover-services']);
});

test('each option that cannot be used is named, all at once', () => {
  const wrong: [Record<string, unknown>, string][] = [
    [{ prefix: 'a b' }, 'prefix'],
    [{ prefix: '' }, 'prefix'],
    [{ identity: 'two words' }, 'identity'],
    [{ host: 'a/b' }, 'host'],
    [{ minReplicas: -1 }, 'minReplicas'],
    [{ minReplicas: 6 }, 'minReplicas'],
    [{ guard: 'both' }, 'guard'],
    [{ quorum: [url, url] }, 'quorum'],
    [{ serviceUrls: { billing: 'localhost' } }, 'serviceUrls.billing'],
  ];
  for (const [option, path] of wrong) assert.deepEqual(issuesOf({ url, ...option }), [path], JSON.stringify(option));
  const all = issuesOf({ url, prefix: '', minReplicas: 9, guard: 'both' } as unknown as ConnectOptions);
  assert.deepEqual(all.sort(), ['guard', 'minReplicas', 'prefix']);
});

test('addresses of services may be given to a process outside of a cluster', () => {
  const environment = { DROVER_SERVICE_URLS: 'billing=http://127.0.0.1:1/, user=https://user.example/v1?a=b' };
  const { serviceUrls } = resolveOptions({ url }, environment, 1);
  assert.deepEqual(Object.fromEntries(serviceUrls), {
    billing: 'http://127.0.0.1:1',
    user: 'https://user.example/v1?a=b',
  });
  assert.deepEqual(issuesOf({ url }, { DROVER_SERVICE_URLS: 'billing' }), ['serviceUrls.billing']);
});

test('where no address is known, the message says where one comes from', () => {
  assert.deepEqual(issuesOf({}), ['url']);
  assert.deepEqual(issuesOf({ url: '' }), ['url']);
  assert.throws(() => resolveOptions({}, {}, 1), /DROVER_COORDINATION_URL/);
});
