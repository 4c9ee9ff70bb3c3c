import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { installDependencies } from '../../../agent/artifact/install-dependencies.ts';
import { readProcessIdentity } from '../../../agent/process/process-identity.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const environment = { PATH: '/usr/local/bin:/usr/bin:/bin' };

/** A stand-in for npm that needs no network, and counts how often it was called. */
function fakeNpm(t: Lifetime, script = 'mkdir -p node_modules/dep'): { path: string; calls: () => number } {
  const directory = tempDirectory(t);
  const log = join(directory, 'calls');
  writeFileSync(log, '');
  writeFileSync(join(directory, 'npm'), `#!/bin/sh\necho "$PWD $*" >> ${log}\n${script}\n`, { mode: 0o755 });
  return { path: `${directory}:${environment.PATH}`, calls: () => readFileSync(log, 'utf8').split('\n').length - 1 };
}

test('artifacts with the same lock file share one installation', async (t) => {
  const npm = fakeNpm(t);
  const dependencies = tempDirectory(t);
  const lock = '{"lockfileVersion":3,"packages":{}}';
  const directories = [1, 2].map(() => packageIn(t, { dependencies: { dep: '1.0.0' } }, lock));
  await Promise.all(
    directories.map((directory) =>
      installDependencies({ directory, dependencies, environment: { PATH: npm.path }, npm: 'npm' }),
    ),
  );
  for (const directory of directories) assert.deepEqual(readdirSync(join(directory, 'node_modules')), ['dep']);
  assert.equal(npm.calls(), 1);
  assert.equal(readdirSync(dependencies).length, 1);
});

test('a package with local packages is installed by the real npm, in its own directory, once', async (t) => {
  const directory = packageIn(
    t,
    { name: 'app', version: '1.0.0', dependencies: { lib: 'file:lib' } },
    JSON.stringify({
      name: 'app',
      version: '1.0.0',
      lockfileVersion: 3,
      packages: {
        '': { name: 'app', version: '1.0.0', dependencies: { lib: 'file:lib' } },
        lib: { version: '1.0.0' },
        'node_modules/lib': { resolved: 'lib', link: true },
      },
    }),
  );
  mkdirSync(join(directory, 'lib'));
  writeFileSync(join(directory, 'lib/package.json'), '{"name":"lib","version":"1.0.0","main":"index.js"}');
  writeFileSync(join(directory, 'lib/index.js'), 'module.exports = 42;');
  const options = { directory, dependencies: tempDirectory(t), environment };
  await Promise.all([installDependencies(options), installDependencies(options)]);
  assert.equal(readFileSync(join(directory, 'node_modules/lib/index.js'), 'utf8'), 'module.exports = 42;');
});

test('what npm said last is in the reason', async (t) => {
  const npm = fakeNpm(t, 'echo "npm error the registry is away" >&2; exit 3');
  const directory = packageIn(t, { dependencies: { dep: '1.0.0' } }, '{}');
  const installing = installDependencies({
    directory,
    dependencies: tempDirectory(t),
    environment: { PATH: npm.path },
    npm: 'npm',
  });
  await assert.rejects(installing, /npm ci ended with code 3\nnpm error the registry is away/);
});

test('modules that an interrupted or failed installation left are not taken for all of them', async (t) => {
  const directory = packageIn(t, { dependencies: { dep: '1.0.0' }, scripts: { postinstall: 'node make.js' } }, '{}');
  const install = async (script: string) => {
    const npm = fakeNpm(t, script);
    const options = { directory, dependencies: tempDirectory(t), environment: { PATH: npm.path }, npm: 'npm' };
    await installDependencies(options);
    return npm.calls();
  };
  await assert.rejects(install('mkdir -p node_modules/half; exit 1'), /npm ci ended with code 1/);
  await assert.rejects(install('exit 1'), /npm ci ended with code 1/);
  assert.equal(await install('mkdir -p node_modules/dep'), 1);
  assert.equal(await install('exit 1'), 0);
});

test('who asks for modules that are being installed waits for them', async (t) => {
  const gate = join(tempDirectory(t), 'gate');
  const npm = fakeNpm(t, `mkdir -p node_modules; while [ ! -e ${gate} ]; do sleep 0.02; done; mkdir node_modules/dep`);
  const directory = packageIn(t, { dependencies: { dep: '1.0.0' }, scripts: { install: 'node make.js' } }, '{}');
  const options = { directory, dependencies: tempDirectory(t), environment: { PATH: npm.path }, npm: 'npm' };
  const first = installDependencies(options);
  await eventually(() => assert.ok(existsSync(join(directory, 'node_modules'))));
  const second = installDependencies(options).then(() => existsSync(join(directory, 'node_modules/dep')));
  writeFileSync(gate, '');
  await first;
  assert.equal(await second, true);
  assert.equal(npm.calls(), 1);
});

test('an agent that stops ends npm with what it has started', async (t) => {
  const pids = join(tempDirectory(t), 'pids');
  const npm = fakeNpm(t, `sleep 600 & echo $! > ${pids}.part; mv ${pids}.part ${pids}; wait`);
  const stopping = new AbortController();
  const installing = installDependencies({
    directory: packageIn(t, { dependencies: { dep: '1.0.0' } }, '{}'),
    dependencies: tempDirectory(t),
    environment: { PATH: npm.path },
    npm: 'npm',
    signal: stopping.signal,
  });
  const ended = assert.rejects(installing, /stopped with the agent/);
  await eventually(() => assert.ok(existsSync(pids)));
  stopping.abort();
  await ended;
  const child = Number(readFileSync(pids, 'utf8'));
  await eventually(() => assert.equal(readProcessIdentity(child), null));
});

test('dependencies without a lock file are refused with what to do; no dependencies need nothing', async (t) => {
  const dependencies = tempDirectory(t);
  const unlocked = packageIn(t, { dependencies: { dep: '1.0.0' } }, null);
  await assert.rejects(
    installDependencies({ directory: unlocked, dependencies, environment }),
    /run npm install and commit package-lock\.json/,
  );
  await installDependencies({ directory: packageIn(t, {}, null), dependencies, environment });
  await installDependencies({ directory: tempDirectory(t), dependencies, environment });
});

function packageIn(t: Lifetime, manifest: object, lock: string | null): string {
  const directory = tempDirectory(t);
  writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest));
  if (lock !== null) writeFileSync(join(directory, 'package-lock.json'), lock);
  return directory;
}
