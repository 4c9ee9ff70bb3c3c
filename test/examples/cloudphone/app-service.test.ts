import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { skipWithoutPostgres, startPostgres } from '../../support/postgres.ts';
import {
  type AppGround,
  announce,
  ask,
  download,
  kinds,
  makeContent,
  openAppGround,
  sendPart,
  sha256,
} from './app-service-ground.ts';

/** From the first word to the last, each step through another instance than the one before. */
async function uploadThrough(ground: AppGround): Promise<void> {
  const [a, b] = await ground.start(2);
  const content = makeContent(5);
  const id = await announce(a!.url, content);

  for (const [at, number] of [5, 2, 4, 2].entries()) {
    const { status, body } = await sendPart([a, b][at % 2]!.url, id, content, number);
    assert.equal(status, 200);
    assert.deepEqual(body, {
      number,
      sizeBytes: content.parts[number - 1]!.length,
      sha256: sha256(content.parts[number - 1]!),
    });
  }
  const { body: halfway } = await ask(`${b!.url}/uploads/${id}`);
  assert.deepEqual([halfway.state, halfway.missing], ['uploading', [1, 3]]);
  assert.deepEqual(
    (halfway.received as { number: number }[]).map(({ number }) => number),
    [2, 4, 5],
  );
  assert.deepEqual((await ask(`${a!.url}/uploads/${id}/complete`, 'POST')).body.missing, [1, 3]);
  assert.equal((await ask(`${a!.url}/apps/${id}`)).status, 404);
  assert.equal((await fetch(`${a!.url}/apps/${id}/content`)).status, 404);

  for (const number of [1, 3]) assert.equal((await sendPart(a!.url, id, content, number)).status, 200);
  const completes = await Promise.all(
    [a, b, a, b].map((instance) => ask(`${instance!.url}/uploads/${id}/complete`, 'POST')),
  );
  for (const { status, body } of completes) {
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body, completes[0]!.body);
  }
  assert.deepEqual((await ask(`${b!.url}/uploads/${id}/complete`, 'POST')).body, completes[0]!.body);
  const { id: appId } = completes[0]!.body as { id: string };
  assert.equal(completes[0]!.body.sha256, content.announcement.sha256);
  const { apps } = (await ask(`${b!.url}/apps`)).body as { apps: { id: string }[] };
  assert.deepEqual(
    apps.map((app) => app.id),
    [appId],
  );
  for (const instance of [a, b]) assert.ok(content.bytes.equals(await download(instance!.url, appId)));
  assert.deepEqual(ground.stored(id), ['content']);
  const ready = [a, b].map((instance) => instance!.output().match(/is ready/g)?.length ?? 0);
  assert.equal(ready[0]! + ready[1]!, 1);

  assert.equal((await sendPart(a!.url, id, content, 1)).body.error, 'UPLOAD_COMPLETE');
  assert.equal((await ask(`${a!.url}/apps/${appId}`, 'DELETE')).status, 204);
  assert.equal((await ask(`${b!.url}/apps/${appId}`)).status, 404);
  assert.deepEqual(ground.stored(id), []);
  for (const instance of [a, b]) assert.deepEqual(await instance!.stop(), { code: 0, signal: null });
}

for (const kind of kinds) {
  test(`${kind}: parts that land on two instances, again and out of order, become one app with one answer`, async (t) => {
    await uploadThrough(await openAppGround(t, kind));
  });

  test(`${kind}: a wrong checksum names both, and the upload goes on with the right part`, async (t) => {
    const ground = await openAppGround(t, kind);
    const [a, b] = await ground.start(2);
    const content = makeContent(3);
    const id = await announce(a!.url, content);
    for (const number of [1, 2, 3]) await sendPart(a!.url, id, content, number);
    const wrong = Buffer.alloc(content.parts[1]!.length, 'x');
    assert.equal((await ask(`${b!.url}/uploads/${id}/parts/2`, 'PUT', wrong)).status, 200);

    const { status, body } = await ask(`${a!.url}/uploads/${id}/complete`, 'POST');
    assert.equal(status, 422);
    const found = sha256(Buffer.concat([content.parts[0]!, wrong, content.parts[2]!]));
    assert.deepEqual([body.error, body.found, body.announced], ['CHECKSUM_WRONG', found, content.announcement.sha256]);
    assert.equal((await ask(`${b!.url}/apps/${id}`)).status, 404);
    assert.ok(!ground.stored(id).includes('content'));

    await sendPart(b!.url, id, content, 2);
    assert.equal((await ask(`${b!.url}/uploads/${id}/complete`, 'POST')).status, 200);
    assert.ok(content.bytes.equals(await download(a!.url, id)));
  });

  test(`${kind}: a part that breaks off, is too short or has a wrong digest leaves nothing`, async (t) => {
    const ground = await openAppGround(t, kind);
    const [a] = await ground.start(1);
    const content = makeContent(2);
    const id = await announce(a!.url, content);
    const part = content.parts[0]!;

    const sending = request(`${a!.url}/uploads/${id}/parts/1`, {
      method: 'PUT',
      headers: { 'content-length': part.length },
    });
    sending.on('error', () => undefined);
    await new Promise((resolve) => sending.write(part.subarray(0, part.length - 1), resolve));
    if (kind === 'dir') await eventually(() => assert.equal(ground.stored(id).length, 1));
    sending.destroy();
    await eventually(() => assert.deepEqual(ground.stored(id), []));

    const short = await ask(`${a!.url}/uploads/${id}/parts/1`, 'PUT', part.subarray(1));
    assert.deepEqual(
      [short.status, short.body.error, short.body.allowed],
      [400, 'PART_SIZE_WRONG', `${part.length} bytes`],
    );
    for (const bytes of [part.subarray(1), Buffer.concat([part, part])]) {
      const chunked = await fetch(`${a!.url}/uploads/${id}/parts/1`, {
        method: 'PUT',
        body: ReadableStream.from([new Uint8Array(bytes)]),
        duplex: 'half',
      } as RequestInit);
      assert.equal(chunked.status, 400);
    }
    const wrong = await sendPart(a!.url, id, content, 1, { 'x-part-sha256': sha256(content.parts[1]!) });
    assert.deepEqual([wrong.status, wrong.body.found], [422, sha256(part)]);
    const digest = `sha-256=:${createHash('sha256').update(content.parts[1]!).digest('base64')}:`;
    assert.equal((await sendPart(a!.url, id, content, 1, { 'content-digest': digest })).status, 422);
    assert.equal((await sendPart(a!.url, id, content, 1, { 'content-digest': 'md5=:xx:' })).status, 400);

    assert.deepEqual((await ask(`${a!.url}/uploads/${id}`)).body.received, []);
    assert.deepEqual(ground.stored(id), []);
    assert.equal((await sendPart(a!.url, id, content, 1, { 'x-part-sha256': sha256(part) })).status, 200);
  });
}

test('with PostgreSQL it is the same', { skip: skipWithoutPostgres }, async (t) => {
  const { config } = await startPostgres(t);
  const url = `postgres://${config.user}@/${config.database}?host=${config.host}&port=${config.port}`;
  await uploadThrough(await openAppGround(t, 'dir', url));
});

test('apps are listed page by page, each once, also those of the same moment', async (t) => {
  const ground = await openAppGround(t, 'dir');
  const [a] = await ground.start(1);
  const content = makeContent(1);
  const made: string[] = [];
  for (let count = 0; count < 5; count++) {
    const id = await announce(a!.url, content);
    await sendPart(a!.url, id, content, 1);
    assert.equal((await ask(`${a!.url}/uploads/${id}/complete`, 'POST')).status, 200);
    made.push(id);
  }
  const database = new DatabaseSync(ground.environment.DATABASE_URL!.slice('sqlite:'.length));
  database.exec('UPDATE apps SET created_at = 1000');
  database.close();
  const seen: string[] = [];
  for (let page = '?limit=2'; page !== ''; ) {
    const { apps } = (await ask(`${a!.url}/apps${page}`)).body as { apps: { id: string }[] };
    seen.push(...apps.map(({ id }) => id));
    page = apps.length < 2 ? '' : `?limit=2&before=${apps.at(-1)!.id}`;
  }
  assert.deepEqual(seen.sort(), made.sort());
});

test('a content is served in ranges, by its tag, and without a body to who asks for none', async (t) => {
  const ground = await openAppGround(t, 'dir');
  const [a] = await ground.start(1);
  const content = makeContent(3);
  const id = await announce(a!.url, content);
  for (const number of [1, 2, 3]) await sendPart(a!.url, id, content, number);
  await ask(`${a!.url}/uploads/${id}/complete`, 'POST');
  const url = `${a!.url}/apps/${id}/content`;
  const etag = `"${content.announcement.sha256}"`;
  const size = content.bytes.length;

  const part = await fetch(url, { headers: { range: 'bytes=100-299' } });
  assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 100-299/${size}`]);
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(content.bytes.subarray(100, 300)));
  const other = await fetch(url, { headers: { range: 'bytes=100-299', 'if-range': '"another"' } });
  assert.equal(other.status, 200);
  assert.ok(Buffer.from(await other.arrayBuffer()).equals(content.bytes));
  const beyond = await fetch(url, { headers: { range: `bytes=${size}-` } });
  assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, `bytes */${size}`]);
  await beyond.body?.cancel();
  const known = await fetch(url, { headers: { 'if-none-match': etag } });
  assert.deepEqual([known.status, known.headers.get('etag')], [304, etag]);
  const head = await fetch(url, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(size)]);
  assert.equal(head.headers.get('content-disposition'), "attachment; filename*=UTF-8''game.apk");
});

test('what cannot be uploaded is refused with the field, the reason and what is allowed', async (t) => {
  const ground = await openAppGround(t, 'dir');
  const [a] = await ground.start(1, { MAX_APP_BYTES: '100000' });
  const good = makeContent(2).announcement;
  const refusals: [Record<string, unknown>, string][] = [
    [{ sizeBytes: 100_001 }, 'sizeBytes'],
    [{ sizeBytes: 0 }, 'sizeBytes'],
    [{ sha256: 'abc' }, 'sha256'],
    [{ partBytes: 999 }, 'partBytes'],
    [{ name: '../../etc/passwd' }, 'name'],
    [{ colour: 'red' }, 'body'],
  ];
  for (const [change, field] of refusals) {
    const { status, body } = await ask(`${a!.url}/uploads`, 'POST', { ...good, ...change });
    assert.deepEqual([status, body.error], [400, 'INPUT_INVALID'], JSON.stringify(body));
    assert.equal((body.issues as { field: string }[])[0]!.field, field);
  }
  const id = await announce(a!.url, makeContent(2));
  for (const number of ['0', '3', 'x']) {
    assert.equal((await ask(`${a!.url}/uploads/${id}/parts/${number}`, 'PUT', Buffer.alloc(9))).status, 400);
  }
  assert.equal((await ask(`${a!.url}/uploads/..%2f..%2fetc`)).status, 400);
  assert.equal((await ask(`${a!.url}/uploads/${crypto.randomUUID()}`)).status, 404);
});

test('a user has so many open uploads and no more, through whichever instance', async (t) => {
  const ground = await openAppGround(t, 'dir');
  const [a, b] = await ground.start(2, { MAX_OPEN_UPLOADS: '3' });
  const { announcement } = makeContent(1);
  const asked = Array.from({ length: 12 }, (_, at) => ask(`${[a, b][at % 2]!.url}/uploads`, 'POST', announcement));
  const answers = await Promise.all(asked);
  const made = answers.filter(({ status }) => status === 201);
  assert.equal(made.length, 3);
  assert.equal(answers.filter(({ body }) => body.error === 'TOO_MANY_UPLOADS').length, 9);
  assert.equal((await ask(`${b!.url}/uploads/${made[0]!.body.id}`, 'DELETE')).status, 204);
  assert.equal((await ask(`${a!.url}/uploads/${made[0]!.body.id}`)).status, 404);
  assert.equal((await ask(`${a!.url}/uploads`, 'POST', announcement)).status, 201);
});

test('where users have to log in, uploads are of one user and apps are for all', async (t) => {
  const ground = await openAppGround(t, 'dir');
  const [a] = await ground.start(1, { AUTH: 'required' });
  const content = makeContent(1);
  const [ann, bob] = [{ 'x-user-id': 'ann' }, { 'x-user-id': 'bob' }];
  assert.equal((await ask(`${a!.url}/uploads`, 'POST', content.announcement)).status, 401);
  const { id } = (await ask(`${a!.url}/uploads`, 'POST', content.announcement, ann)).body;
  assert.equal((await sendPart(a!.url, String(id), content, 1)).status, 401);
  assert.equal((await sendPart(a!.url, String(id), content, 1, bob)).status, 404);
  assert.equal((await sendPart(a!.url, String(id), content, 1, ann)).status, 200);
  assert.equal((await ask(`${a!.url}/uploads/${id}/complete`, 'POST', undefined, bob)).status, 404);
  assert.equal((await ask(`${a!.url}/uploads/${id}/complete`, 'POST', undefined, ann)).status, 200);
  assert.equal((await ask(`${a!.url}/apps/${id}`)).body.userId, 'ann');
  assert.equal((await ask(`${a!.url}/apps/${id}`, 'DELETE', undefined, bob)).status, 403);
  assert.equal((await ask(`${a!.url}/apps/${id}`, 'DELETE', undefined, ann)).status, 204);
});
