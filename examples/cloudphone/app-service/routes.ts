import { Readable } from 'node:stream';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import { describeInstance } from '../shared/instance.ts';
import { answerErrors, Refusal, readInput } from '../shared/refusal.ts';
import { asRefusal } from './as-refusal.ts';
import { readByteRange } from './byte-range.ts';
import type { App, Catalogue } from './catalogue.ts';
import { wrongSize } from './part-content.ts';
import { readPartDigest } from './part-digest.ts';
import type { Store } from './store/store.ts';
import { contentKey, type Limits, maxParts, missingParts, partCount, partSize, type Uploads } from './uploads.ts';

/** A part that takes longer to arrive than this is broken off, and sent again. */
const requestTimeoutMs = 600_000;

export interface RoutesDeps {
  readonly uploads: Uploads;
  readonly catalogue: Catalogue;
  readonly store: Store;
  readonly limits: Limits;
  readonly mustLogIn: boolean;
}

export function buildRoutes(deps: RoutesDeps): FastifyInstance {
  const app = Fastify({ requestTimeout: requestTimeoutMs });
  answerErrors(app);
  app.get('/health', async () => describeInstance('app-service'));
  app.register(async (scope) => addRoutes(scope, deps));
  return app;
}

async function addRoutes(
  app: FastifyInstance,
  { uploads, catalogue, store, limits, mustLogIn }: RoutesDeps,
): Promise<void> {
  app.setErrorHandler((error: Error) => {
    throw asRefusal(error);
  });
  const newUpload = newUploadOf(limits);

  /** The user, as the gateway says. */
  function userOf(request: FastifyRequest): string {
    const user = request.headers['x-user-id'];
    if (typeof user === 'string' && user !== '') return readInput(userHeader, request.headers)['x-user-id'];
    if (mustLogIn) throw new Refusal(401, 'NOT_LOGGED_IN', 'Log in first: this is done in the name of a user');
    return '';
  }

  /** Of others not even the existence is told. */
  async function ownUpload(request: FastifyRequest): Promise<App> {
    const user = userOf(request);
    const { id } = readInput(uploadParams, request.params);
    const upload = await uploads.find(id);
    if (upload.owner !== user && (mustLogIn || upload.owner !== '')) {
      throw new Refusal(404, 'UPLOAD_NOT_FOUND', `You have no upload ${id}`);
    }
    return upload;
  }

  async function findApp(request: FastifyRequest): Promise<App> {
    const { id } = readInput(uploadParams, request.params);
    const found = await catalogue.find(id);
    if (found?.state !== 'ready') throw new Refusal(404, 'APP_NOT_FOUND', `There is no app ${id}`);
    return found;
  }

  app.post('/uploads', async (request, reply) => {
    const user = userOf(request);
    const upload = await uploads.create(readInput(newUpload, request.body), user);
    return reply.code(201).send(viewUpload(upload));
  });

  app.get('/uploads/:id', async (request) => {
    const upload = await ownUpload(request);
    if (upload.state === 'ready') return { ...viewUpload(upload), appId: upload.id };
    const parts = await uploads.listParts(upload.id);
    const received = parts.map(({ number, sizeBytes, sha256 }) => ({ number, sizeBytes, sha256 }));
    return { ...viewUpload(upload), received, missing: missingParts(upload, parts) };
  });

  app.register(async (raw) => {
    // The body stays a stream, of whatever type it says to be: no part is ever in memory as a whole.
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser('*', (_request, _body, done) => done(null));

    raw.put('/uploads/:id/parts/:number', async (request) => {
      const upload = await ownUpload(request);
      const allowed = `1 to ${partCount(upload)}`;
      const numbers = z.object({
        number: z.coerce.number(allowed).int(allowed).min(1, allowed).max(partCount(upload), allowed),
      });
      const { number } = readInput(numbers, request.params);
      const sentBytes = request.headers['content-length'];
      const sizeBytes = partSize(upload, number);
      if (sentBytes !== undefined && Number(sentBytes) !== sizeBytes) throw wrongSize(sizeBytes, Number(sentBytes));
      const sha256 = readPartDigest(request.headers);
      const part = await uploads.putPart(upload, { number, body: request.raw, sha256 });
      return { number, sizeBytes: part.sizeBytes, sha256: part.sha256 };
    });
  });

  app.post('/uploads/:id/complete', async (request) => {
    const { id } = await ownUpload(request);
    return viewApp(await uploads.complete(id));
  });

  app.delete('/uploads/:id', async (request, reply) => {
    const upload = await ownUpload(request);
    if (upload.state !== 'uploading' || !(await uploads.remove(upload))) {
      throw new Refusal(
        409,
        'UPLOAD_COMPLETE',
        `Upload ${upload.id} is over; an app is deleted by DELETE /apps/${upload.id}`,
      );
    }
    return reply.code(204).send();
  });

  app.get('/apps', async (request) => {
    const { before, limit } = readInput(pageQuery, request.query);
    return { apps: (await catalogue.list(before, limit)).map(viewApp) };
  });

  app.get('/apps/:id', async (request) => viewApp(await findApp(request)));

  app.get('/apps/:id/content', async (request, reply) => sendContent(await findApp(request), store, request, reply));

  app.delete('/apps/:id', async (request, reply) => {
    const user = userOf(request);
    const found = await findApp(request);
    if (found.owner !== user && (mustLogIn || found.owner !== '')) {
      throw new Refusal(403, 'NOT_YOURS', `App ${found.id} belongs to another user`);
    }
    if (!(await uploads.remove(found))) throw new Refusal(404, 'APP_NOT_FOUND', `There is no app ${found.id}`);
    return reply.code(204).send();
  });
}

const userHeader = z.object({ 'x-user-id': z.string().max(128, 'at most 128 characters') });
const uploadParams = z.object({ id: z.uuid('the id of an upload') });
const pageQuery = z.object({
  before: z.uuid('the id of an app').optional(),
  limit: z.coerce.number('1 to 100').int('1 to 100').min(1, '1 to 100').max(100, '1 to 100').default(50),
});

/** An integer in that range, in a body. */
function integer(min: number, max: number) {
  const allowed = `an integer from ${min} to ${max}`;
  return z.int(allowed).min(min, allowed).max(max, allowed);
}

function newUploadOf({ maxAppBytes, minPartBytes, maxPartBytes }: Limits) {
  // Becomes the name of a file at the one who downloads it.
  const allowedName = '1 to 200 characters of a file name';
  const allowedSha256 = '64 hexadecimal digits';
  return z
    .strictObject(
      {
        name: z
          .string(allowedName)
          .min(1, allowedName)
          .max(200, allowedName)
          .regex(/^[^/\\\p{Cc}]+$/u, allowedName),
        sizeBytes: integer(1, maxAppBytes),
        sha256: z
          .string(allowedSha256)
          .regex(/^[0-9a-fA-F]{64}$/, allowedSha256)
          .toLowerCase(),
        partBytes: integer(minPartBytes, maxPartBytes).optional(),
      },
      'name, sizeBytes, sha256 and perhaps partBytes',
    )
    .refine(({ sizeBytes, partBytes = maxPartBytes }) => sizeBytes <= maxParts * partBytes, {
      path: ['partBytes'],
      message: `what makes ${maxParts} parts at most`,
    });
}

function viewUpload(upload: App) {
  const { id, name, sizeBytes, sha256, partBytes, state, sweepAt } = upload;
  const expiresAt = state === 'uploading' && sweepAt !== null ? new Date(sweepAt).toISOString() : undefined;
  return { id, name, sizeBytes, sha256, partBytes, parts: partCount(upload), state, expiresAt };
}

function viewApp({ id, name, owner, sizeBytes, sha256, createdAt }: App) {
  const userId = owner === '' ? undefined : owner;
  return {
    id,
    name,
    userId,
    sizeBytes,
    sha256,
    createdAt: new Date(createdAt).toISOString(),
    content: `/apps/${id}/content`,
  };
}

/** The content under an app's id never changes, so its checksum is its tag. */
async function sendContent(app: App, store: Store, request: FastifyRequest, reply: FastifyReply) {
  const etag = `"${app.sha256}"`;
  const { range, 'if-none-match': known, 'if-range': onlyIf } = request.headers;
  reply.headers({ etag, 'accept-ranges': 'bytes' });
  if (known?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)) return reply.code(304).send();
  const wanted = readByteRange(onlyIf === undefined || onlyIf === etag ? range : undefined, app.sizeBytes);
  if (wanted === 'unsatisfiable') {
    reply.header('content-range', `bytes */${app.sizeBytes}`);
    throw new Refusal(416, 'RANGE_UNSATISFIABLE', `The content has ${app.sizeBytes} bytes`, { field: 'range' });
  }
  const { first, last } = wanted === 'all' ? { first: 0, last: app.sizeBytes - 1 } : wanted;
  if (wanted !== 'all') reply.code(206).header('content-range', `bytes ${first}-${last}/${app.sizeBytes}`);
  reply.headers({
    'content-type': 'application/octet-stream',
    'content-length': last - first + 1,
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(app.name)}`,
    'x-content-type-options': 'nosniff',
  });
  // HEAD comes here too, and reads nothing.
  if (request.method === 'HEAD') return reply.send(Readable.from([]));
  return reply.send(await store.read(contentKey(app.id), { first, last }));
}
