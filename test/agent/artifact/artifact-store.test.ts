import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join as joinPath } from 'node:path';
import { test } from 'node:test';
import { create, Header } from 'tar';
import { ArtifactStore, ArtifactUnavailable } from '../../../agent/artifact/artifact-store.ts';
import { unpackArtifact } from '../../../agent/artifact/unpack-artifact.ts';
import { openDataDirectory } from '../../../agent/data-paths.ts';
import { join } from '../../../agent/join/join.ts';
import type { FakeCluster } from '../../support/fake-cluster.ts';
import { startFakeCluster } from '../../support/fake-cluster.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { ownPort } from '../../support/own-port.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const facts = {
  ...{ name: 'host-a', address: '127.0.0.1', cores: 2, memoryBytes: 1, labels: {}, router: false, version: '0.1.0' },
  ports: { from: 20_000, to: 20_999 },
};

test('an artifact is fetched once for all that ask at the same time, verified and unpacked', async (t) => {
  const { cluster, store } = await build(t);
  const { digest, bytes } = await pack(t, { 'server.js': 'hello', 'lib/a.js': 'a' });
  cluster.artifacts.set(digest, bytes);
  const [first, second] = await Promise.all([store.directoryOf(digest), store.directoryOf(digest)]);
  assert.equal(first, second);
  assert.equal(readFileSync(joinPath(first, 'lib/a.js'), 'utf8'), 'a');
  assert.equal(cluster.artifactRequests, 1);
  await store.directoryOf(digest);
  assert.equal(cluster.artifactRequests, 1);
});

test('files have the time of the upload, so that two versions of one size are not taken for the same', async (t) => {
  const { cluster, store } = await build(t);
  const { digest, bytes } = await pack(t, { 'public/page.js': 'hello' });
  cluster.artifacts.set(digest, bytes);
  const directory = await store.directoryOf(digest);
  const { mtimeMs } = statSync(joinPath(directory, 'public/page.js'));
  assert.equal(mtimeMs, cluster.artifactsUploadedAt);
});

test('bytes that do not have the digest are refused at once, and nothing of them stays', async (t) => {
  const { cluster, store, directory } = await build(t);
  const { digest, bytes } = await pack(t, { 'server.js': 'hello' });
  cluster.artifacts.set(digest, Buffer.concat([bytes, Buffer.from('x')]));
  await assert.rejects(store.directoryOf(digest), (error: Error) => {
    assert.match(error.message, /changed on the way/);
    return !(error instanceof ArtifactUnavailable);
  });
  assert.deepEqual(readdirSync(directory), ['node_modules']);
});

test('when no controller answers the artifact is unavailable, not wrong', async (t) => {
  const { digest } = await pack(t, { 'server.js': 'hello' });
  const directory = tempDirectory(t);
  const nobody = `https://127.0.0.1:${await ownPort()}`;
  const store = new ArtifactStore({ directory, controllers: () => [nobody], tls: {} });
  await assert.rejects(store.directoryOf(digest), ArtifactUnavailable);
});

test('pruning keeps what is planned and the last three others', async (t) => {
  const directory = tempDirectory(t);
  const store = new ArtifactStore({ directory, controllers: () => [], tls: {} });
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const [age, name] of names.entries()) {
    mkdirSync(joinPath(directory, name));
    utimesSync(joinPath(directory, name), 1_000 + age, 1_000 + age);
  }
  store.prune(new Set(['a']));
  assert.deepEqual(readdirSync(directory).sort(), ['a', 'd', 'e', 'f', 'node_modules']);
});

const hostile: readonly {
  name: string;
  entry: Partial<ConstructorParameters<typeof Header>[0] & object>;
  says: RegExp;
}[] = [
  { name: 'climbs out with ..', entry: { path: '../evil', type: 'File' }, says: /outside/ },
  { name: 'climbs out in the middle', entry: { path: 'a/../../evil', type: 'File' }, says: /outside/ },
  { name: 'has an absolute path', entry: { path: '/tmp/evil', type: 'File' }, says: /outside/ },
  { name: 'links to an absolute path', entry: { path: 'l', type: 'SymbolicLink', linkpath: '/etc' }, says: /outside/ },
  { name: 'links out', entry: { path: 'a/l', type: 'SymbolicLink', linkpath: '../../x' }, says: /outside/ },
  {
    name: 'links out by way of another link',
    entry: { path: 'l', type: 'SymbolicLink', linkpath: 'a/b/..' },
    says: /outside/,
  },
  { name: 'links hard to the outside', entry: { path: 'l', type: 'Link', linkpath: '../x' }, says: /outside/ },
  { name: 'holds a device', entry: { path: 'd', type: 'CharacterDevice' }, says: /CharacterDevice/ },
  { name: 'holds a pipe', entry: { path: 'p', type: 'FIFO' }, says: /FIFO/ },
];

for (const { name, entry, says } of hostile) {
  test(`an artifact that ${name} is refused whole`, async (t) => {
    const directory = tempDirectory(t);
    const file = joinPath(directory, 'bad.tar');
    writeFileSync(file, Buffer.concat([block({ path: 'good', type: 'File' }), block(entry), Buffer.alloc(1_024)]));
    const target = joinPath(directory, 'target');
    mkdirSync(target);
    await assert.rejects(unpackArtifact(file, target, new Date()), says);
    assert.deepEqual(readdirSync(target), []);
    assert.equal(existsSync(joinPath(directory, 'evil')), false);
  });
}

test('links inside an artifact are kept', async (t) => {
  const directory = tempDirectory(t);
  const source = joinPath(directory, 'source');
  mkdirSync(source);
  writeFileSync(joinPath(source, 'a'), 'a');
  symlinkSync('a', joinPath(source, 'b'));
  const file = joinPath(directory, 'good.tgz');
  await create({ file, cwd: source, gzip: true }, ['.']);
  const target = joinPath(directory, 'target');
  mkdirSync(target);
  await unpackArtifact(file, target, new Date());
  assert.equal(readFileSync(joinPath(target, 'b'), 'utf8'), 'a');
});

test('a file that is no tarball is refused', async (t) => {
  const directory = tempDirectory(t);
  writeFileSync(joinPath(directory, 'x'), 'not a tarball at all'.repeat(100));
  mkdirSync(joinPath(directory, 'target'));
  await assert.rejects(
    unpackArtifact(joinPath(directory, 'x'), joinPath(directory, 'target'), new Date()),
    /no valid tarball/,
  );
});

async function build(t: Lifetime): Promise<{ cluster: FakeCluster; store: ArtifactStore; directory: string }> {
  const cluster = await startFakeCluster(t);
  const { url } = await cluster.startController();
  const paths = openDataDirectory(tempDirectory(t));
  const identity = await join({ controllerUrl: url, token: cluster.token, facts, paths });
  const tls = { ca: identity.authority, cert: identity.certificate, key: identity.key };
  const store = new ArtifactStore({ directory: paths.artifacts, controllers: () => [url], tls });
  return { cluster, store, directory: paths.artifacts };
}

async function pack(t: Lifetime, files: Record<string, string>): Promise<{ digest: string; bytes: Buffer }> {
  const directory = tempDirectory(t);
  const source = joinPath(directory, 'source');
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(joinPath(source, name, '..'), { recursive: true });
    writeFileSync(joinPath(source, name), content);
  }
  const file = joinPath(directory, 'artifact.tgz');
  await create({ file, cwd: source, gzip: true }, ['.']);
  const bytes = readFileSync(file);
  return { digest: createHash('sha256').update(bytes).digest('hex'), bytes };
}

function block(entry: object): Buffer {
  const header = new Header({ mode: 0o644, size: 0, mtime: new Date(0), ...entry });
  const buffer = Buffer.alloc(512);
  header.encode(buffer, 0);
  return buffer;
}
