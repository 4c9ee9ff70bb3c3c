import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DroverError, isDroverError } from '../../../shared/contracts/drover-error.ts';
import { parseEcosystem } from '../../../shared/contracts/ecosystem.ts';
import type { JobSpec } from '../../../shared/contracts/job.ts';

const file = '/srv/app/ecosystem.config.js';
const http = { schedule: '*/5 * * * *', run: { http: { path: '/tick' } } };

function read(jobs: unknown): Record<string, JobSpec> | undefined {
  return parseEcosystem({ apps: [{ name: 'api', script: 'server.js', jobs }] }, { file }).services[0]!.spec.jobs;
}

function refusal(jobs: unknown): DroverError {
  try {
    read(jobs);
  } catch (error) {
    if (isDroverError(error)) return error;
    throw error;
  }
  throw new Error('The file was accepted');
}

test('a request has defaults for all but its path', () => {
  assert.deepEqual(read({ expire: http }), {
    expire: {
      schedule: '*/5 * * * *',
      timeZone: 'UTC',
      overlap: 'skip',
      catchUp: 'last',
      maxRunMs: 300_000,
      run: { type: 'http', method: 'POST', path: '/tick', headers: {} },
    },
  });
});

test('a process takes arguments and environment as an app does', () => {
  const run = { script: 'report.js', args: "--since 'two days'", env: { DAYS: 2, DEBUG: true } };
  const jobs = read({ report: { schedule: '0 30 2 * * *', time_zone: 'Europe/Berlin', max_run: '1h', run } });
  assert.deepEqual(jobs?.report, {
    schedule: '0 30 2 * * *',
    timeZone: 'Europe/Berlin',
    overlap: 'skip',
    catchUp: 'last',
    maxRunMs: 3_600_000,
    run: { type: 'process', script: 'report.js', args: ['--since', 'two days'], env: { DAYS: '2', DEBUG: 'true' } },
  });
});

test('a body that is no text is sent as JSON, and says so unless the file says otherwise', () => {
  const bodied = (body: unknown, headers?: object) =>
    read({ a: { ...http, run: { http: { path: '/', body, headers } } } })?.a?.run;
  assert.deepEqual(bodied({ days: 3 }), {
    ...{ type: 'http', method: 'POST', path: '/', body: '{"days":3}' },
    headers: { 'content-type': 'application/json' },
  });
  assert.deepEqual(bodied([1], { 'Content-Type': 'text/plain' }), {
    ...{ type: 'http', method: 'POST', path: '/', body: '[1]' },
    headers: { 'Content-Type': 'text/plain' },
  });
  assert.deepEqual(bodied('plain'), { type: 'http', method: 'POST', path: '/', body: 'plain', headers: {} });
});

test('ticks that were missed are caught up with in one of three ways', () => {
  const caught = (catch_up: unknown) => read({ a: { ...http, catch_up } })?.a?.catchUp;
  assert.deepEqual([caught('none'), caught('last'), caught('10m')], ['none', 'last', { withinMs: 600_000 }]);
});

test('an app without jobs has none in its spec, so that the specs of earlier versions stay equal', () => {
  assert.equal(read(undefined), undefined);
});

describe('mistakes are told with the field as it is written, the reason, and what is allowed', () => {
  const job = { ...http };
  const cases: [string, unknown, string, RegExp][] = [
    ['no object', [job], 'jobs', /is not an object/],
    ['a name with a slash', { 'a/b': job }, 'jobs.a/b', /letters, digits/],
    ['a job that is none', { a: '* * * * *' }, 'jobs.a', /is not a job/],
    ['an unknown field', { a: { ...job, schedul: 'x' } }, 'jobs.a.schedul', /did you mean schedule\?/],
    ['no schedule', { a: { run: job.run } }, 'jobs.a.schedule', /./],
    ['a schedule of four fields', { a: { ...job, schedule: '* * * *' } }, 'jobs.a.schedule', /4 fields.*allowed: five/],
    ['a schedule out of range', { a: { ...job, schedule: '99 * * * *' } }, 'jobs.a.schedule', /99/],
    ['a time zone that is none', { a: { ...job, time_zone: 'Berlin' } }, 'jobs.a.time_zone', /no time zone/],
    ['another overlap', { a: { ...job, overlap: 'wait' } }, 'jobs.a.overlap', /not one of these/],
    ['another way to catch up', { a: { ...job, catch_up: 'all' } }, 'jobs.a.catch_up', /no way to catch up/],
    ['a run that is too short', { a: { ...job, maxRun: 5 } }, 'jobs.a.maxRun', /./],
    ['nothing to run', { a: { schedule: '* * * * *' } }, 'jobs.a.run', /./],
    ['two kinds of run', { a: { ...job, run: { http: '/x', script: 'a.js' } } }, 'jobs.a.run.script', /one kind/],
    ['a path without a slash', { a: { ...job, run: { http: 'tick' } } }, 'jobs.a.run.http.path', /begin with/],
    [
      'a method that is none',
      { a: { ...job, run: { http: { path: '/', method: 'get' } } } },
      'jobs.a.run.http.method',
      /./,
    ],
    [
      'a header of two lines',
      { a: { ...job, run: { http: { path: '/', headers: { a: 'b\r\nc: d' } } } } },
      'jobs.a.run.http.headers.a',
      /one line/,
    ],
    ['a process without a script', { a: { ...job, run: { args: [] } } }, 'jobs.a.run.script', /./],
  ];
  for (const [title, jobs, path, reason] of cases) {
    test(title, () => {
      const error = refusal(jobs);
      assert.equal(error.code, 'FILE_INVALID');
      assert.match(error.message, /ecosystem\.config\.js/);
      assert.equal(error.issues[0]!.path, `apps[0].${path}`);
      assert.match(error.issues[0]!.reason, reason);
      assert.equal(error.issues.length, 1);
    });
  }

  test('more jobs than a service may have', () => {
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`job-${index}`, http]));
    assert.match(refusal(many).issues[0]!.reason, /at most 50/);
  });
});
