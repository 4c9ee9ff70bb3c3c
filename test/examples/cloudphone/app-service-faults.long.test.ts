import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { createCatalogue } from '../../../examples/cloudphone/app-service/catalogue.ts';
import type { createDirectoryStore } from '../../../examples/cloudphone/app-service/store/directory-store.ts';
import type { createUploads } from '../../../examples/cloudphone/app-service/uploads.ts';
import type { openDatabase } from '../../../examples/cloudphone/shared/database.ts';
import { eventually } from '../../support/eventually.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { layOutExample, type RunningExample } from '../run-example.ts';
import {
  type AppGround,
  announce,
  ask,
  download,
  kinds,
  makeContent,
  openAppGround,
  sendPart,
} from './app-service-ground.ts';

async function kill({ child }: RunningExample): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

interface Interruption {
  /** Resolves in the middle of a completion, which cannot go on by then. */
  begun(): Promise<void>;
  end(): void;
}

/** One of the parts is a pipe that nobody writes to, so that whoever reads all of them stays there. */
function holdUpDirectory({ stored, directoryOf }: AppGround, id: string): Interruption {
  const part = join(directoryOf(id), stored(id).find((name) => name.startsWith('part-7-'))!);
  const [pipe, aside] = [`${part}.pipe`, `${part}.aside`];
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  renameSync(part, aside);
  renameSync(pipe, part);
  const size = (name: string) => statSync(join(directoryOf(id), name)).size;
  return {
    begun: async () => {
      await eventually(() => stored(id).some((name) => /^content/.test(name) && size(name) >= 5 * 200_000));
    },
    end: () => renameSync(aside, part),
  };
}

/** The store freezes when it has a few parts of the whole. */
function holdUpS3({ s3, directoryOf }: AppGround): Interruption {
  const begun = join(directoryOf(''), '..', '._S3rver_uploads');
  const parts = () => readdirSync(begun, { recursive: true }).filter((path) => /[/]\d+$/.test(String(path)));
  return {
    begun: async () => {
      await eventually(() => parts().length >= 2, { intervalMs: 1 });
      s3!.kill('SIGSTOP');
    },
    end: () => void s3!.kill('SIGCONT'),
  };
}

for (const kind of kinds) {
  test(`${kind}: an instance that is killed in the middle of a part leaves nothing that counts, and another goes on`, async (t) => {
    const ground = await openAppGround(t, kind);
    const [a, b] = await ground.start(2);
    const content = makeContent(3, 200_000);
    const id = await announce(a!.url, content);
    await sendPart(a!.url, id, content, 1);

    const part = content.parts[1]!;
    const headers = { 'content-length': part.length };
    const sending = request(`${a!.url}/uploads/${id}/parts/2`, { method: 'PUT', headers });
    sending.on('error', () => undefined);
    await new Promise((resolve) => sending.write(part.subarray(0, 150_000), resolve));
    if (kind === 'dir') await eventually(() => assert.equal(ground.stored(id).length, 2));
    await kill(a!);

    assert.deepEqual((await ask(`${b!.url}/uploads/${id}`)).body.missing, [2, 3]);
    for (const number of [2, 3]) assert.equal((await sendPart(b!.url, id, content, number)).status, 200);
    assert.equal((await ask(`${b!.url}/uploads/${id}/complete`, 'POST')).status, 200);
    assert.ok(content.bytes.equals(await download(b!.url, id)));
    assert.deepEqual(ground.stored(id), ['content']);
  });

  test(`${kind}: an instance that is killed while it puts the parts together shows nothing, and another does it`, async (t) => {
    const ground = await openAppGround(t, kind);
    const [a, b] = await ground.start(2);
    const content = makeContent(8, kind === 'dir' ? 200_000 : 8_000_000);
    const id = await announce(a!.url, content);
    for (const number of content.parts.keys()) await sendPart(a!.url, id, content, number + 1);
    const interrupt = kind === 'dir' ? holdUpDirectory(ground, id) : holdUpS3(ground);

    const broken = assert.rejects(ask(`${a!.url}/uploads/${id}/complete`, 'POST'));
    await interrupt.begun();
    await kill(a!);
    await broken;
    interrupt.end();
    assert.ok(!ground.stored(id).includes('content'));
    assert.equal((await ask(`${b!.url}/apps/${id}`)).status, 404);

    const { status, body } = await ask(`${b!.url}/uploads/${id}/complete`, 'POST');
    assert.equal(status, 200, JSON.stringify(body));
    assert.ok(content.bytes.equals(await download(b!.url, id)));
    assert.deepEqual(ground.stored(id), ['content']);
  });

  test(`${kind}: a part that is larger than the memory it may take goes through`, async (t) => {
    const ground = await openAppGround(t, kind);
    const [a] = await ground.start(1, { MAX_PART_BYTES: String(256 * 2 ** 20) });
    const block = makeContent(1, 1_500_000).bytes;
    // 200 MB; the S3 of the test takes its time.
    const blocks = kind === 'dir' ? 200 : 100;
    const hash = createHash('sha256');
    for (let at = 0; at < blocks; at += 1) hash.update(block);
    const sizeBytes = block.length * blocks;
    const announcement = { name: 'large.apk', sizeBytes, sha256: hash.digest('hex'), partBytes: sizeBytes };
    const { id } = (await ask(`${a!.url}/uploads`, 'POST', announcement)).body;
    const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${a!.child.pid}/status`, 'utf8'))![1]) / 1024;
    const before = peak();

    async function* send() {
      for (let at = 0; at < blocks; at += 1) yield new Uint8Array(block);
    }
    const sent = await fetch(`${a!.url}/uploads/${id}/parts/1`, {
      ...{ method: 'PUT', body: ReadableStream.from(send()), duplex: 'half' },
    } as RequestInit);
    assert.equal(sent.status, 200);
    assert.equal((await ask(`${a!.url}/uploads/${id}/complete`, 'POST')).status, 200);
    const received = createHash('sha256');
    const response = await fetch(`${a!.url}/apps/${id}/content`);
    for await (const chunk of response.body!) received.update(chunk);
    assert.equal(received.digest('hex'), announcement.sha256);
    assert.ok(peak() - before < 80, `${peak() - before} MiB more than before, for ${sizeBytes / 2 ** 20} MiB`);
  });

  test(`${kind}: an upload that nobody goes on with is removed, with its parts`, async (t) => {
    const ground = await openAppGround(t, kind);
    const short = { UPLOAD_LIFETIME_MS: '6000', SWEEP_SCHEDULE: '* * * * * *' };
    const [a, b] = await ground.start(2, short);
    const content = makeContent(2);
    const [abandoned, complete] = [await announce(a!.url, content), await announce(a!.url, content)];
    for (const number of [1, 2]) await sendPart(b!.url, complete, content, number);
    assert.equal((await ask(`${a!.url}/uploads/${complete}/complete`, 'POST')).status, 200);
    assert.equal((await sendPart(b!.url, abandoned, content, 1)).status, 200);
    assert.equal(ground.stored(abandoned).length, 1);

    await eventually(() => assert.deepEqual(ground.stored(abandoned), []), { timeoutMs: 30_000 });
    assert.equal((await ask(`${a!.url}/uploads/${abandoned}`)).status, 404);
    assert.equal((await sendPart(a!.url, abandoned, content, 2)).status, 404);
    await eventually(() => assert.equal((a!.output() + b!.output()).match(/Removed 1 abandoned/g)?.length, 1));
    assert.ok(content.bytes.equals(await download(a!.url, complete)));
  });
}

const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;
const skipFull = canMount ? false : 'THIS MACHINE PERMITS NO MOUNT NAMESPACES: nothing was filled';

test('a store that is full answers 507 and keeps nothing of the part or of the app', { skip: skipFull }, async (t) => {
  const ground = await openAppGround(t, 'dir');
  const disk = tempDirectory(t);
  // The service, with a small disk of its own in place of the directory: first mounted, then replaced by the service itself.
  const wrapper = join(ground.directory, 'app-service-on-a-small-disk');
  mkdirSync(wrapper);
  const service = join(ground.directory, 'app-service', 'main.ts');
  const command = `mount -t tmpfs -o size=700k tmpfs "$0" && exec "$1" "$2"`;
  const args = ['unshare', '-rm', 'sh', '-c', command, disk, process.execPath, service];
  writeFileSync(
    join(wrapper, 'main.ts'),
    `process.execve('/usr/bin/unshare', ${JSON.stringify(args)}, process.env);\n`,
  );
  const environment = { ...ground.environment, STORE: `dir:${disk}` };
  const small = await ground.run('app-service-on-a-small-disk', 'host-0', environment);
  const inside = () => spawnSync('ls', ['-R', `/proc/${small.child.pid}/root${disk}`], { encoding: 'utf8' }).stdout;

  const content = makeContent(2, 300_000);
  const id = await announce(small.url, content);
  for (const number of [1, 2]) assert.equal((await sendPart(small.url, id, content, number)).status, 200);
  const before = inside();
  const other = makeContent(1, 450_000);
  const otherId = await announce(small.url, other);
  const refused = await sendPart(small.url, otherId, other, 1);
  assert.deepEqual([refused.status, refused.body.error], [507, 'STORE_FULL']);
  assert.deepEqual((await ask(`${small.url}/uploads/${otherId}`)).body.received, []);
  // Nor is there room for the whole beside its parts.
  assert.equal((await ask(`${small.url}/uploads/${id}/complete`, 'POST')).status, 507);
  assert.equal((await ask(`${small.url}/apps/${id}`)).status, 404);
  assert.doesNotMatch(inside(), /tmp$|content/m);
  assert.equal(inside().match(/part-/g)?.length, before.match(/part-/g)?.length);
  assert.deepEqual((await ask(`${small.url}/uploads/${id}`)).body.missing, []);
});

test('parts are taken while Redis is away; what needs it says so, and works again afterwards', async (t) => {
  const ground = await openAppGround(t, 'dir');
  const [a] = await ground.start(1);
  const content = makeContent(1);
  const id = await announce(a!.url, content);
  ground.redis.pause();
  assert.equal((await sendPart(a!.url, id, content, 1)).status, 200);
  const refused = await ask(`${a!.url}/uploads`, 'POST', content.announcement);
  assert.deepEqual([refused.status, refused.body.error], [503, 'STORE_UNREACHABLE']);
  ground.redis.resume();
  await eventually(async () => assert.equal((await ask(`${a!.url}/uploads/${id}/complete`, 'POST')).status, 200));
  assert.ok(content.bytes.equals(await download(a!.url, id)));
});

test('a part whose row was kept stays in the store, also when the database went away before it said so', async (t) => {
  const directory = layOutExample(t, 'cloudphone');
  const load = async (path: string) => await import(join(directory, path));
  const { openDatabase: open }: { openDatabase: typeof openDatabase } = await load('shared/database.ts');
  const modules = {
    ...((await load('app-service/catalogue.ts')) as { createCatalogue: typeof createCatalogue }),
    ...((await load('app-service/uploads.ts')) as { createUploads: typeof createUploads }),
    ...((await load('app-service/store/directory-store.ts')) as { createDirectoryStore: typeof createDirectoryStore }),
  };
  const database = open(`sqlite:${join(directory, 'apps.db')}`);
  t.after(() => database.close());
  const catalogue = await modules.createCatalogue(database);
  const store = modules.createDirectoryStore(join(directory, 'store'));
  const limits = { maxAppBytes: 1e6, minPartBytes: 1, maxPartBytes: 1e6, maxOpenUploads: 1, lifetimeMs: 60_000 };
  const withLock = (_name: string, _options: unknown, body: (lock: { signal: AbortSignal }) => unknown) =>
    body({ signal: t.signal });
  const drover = { withLock } as unknown as Parameters<typeof createUploads>[0]['drover'];
  const breaking: typeof catalogue = {
    ...catalogue,
    async putPart(...part) {
      await catalogue.putPart(...part);
      throw new Error('the connection broke at COMMIT');
    },
  };

  const content = makeContent(1);
  const uploads = modules.createUploads({ catalogue, store, drover, limits });
  const { id } = await uploads.create(content.announcement, '');
  const part = () => ({ number: 1, body: Readable.from(content.parts), sha256: undefined });
  const broken = modules.createUploads({ catalogue: breaking, store, drover, limits });
  await assert.rejects(broken.putPart(await uploads.find(id), part()), /COMMIT/);
  assert.equal((await uploads.listParts(id)).length, 1);
  assert.equal((await uploads.complete(id)).state, 'ready');
  assert.deepEqual(readdirSync(join(directory, 'store', id)), ['content']);
});
