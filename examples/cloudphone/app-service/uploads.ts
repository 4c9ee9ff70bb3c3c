import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Drover } from 'drover';
import { Refusal } from '../shared/refusal.ts';
import type { App, Catalogue, Part } from './catalogue.ts';
import { readPartContent } from './part-content.ts';
import { NotThere } from './store/not-there.ts';
import type { Store } from './store/store.ts';

/** So many parts has an upload at most; S3 takes ten times as many. */
export const maxParts = 1000;
/** Longer than any request may last: whoever was at work on something that is gone has ended by then. */
const graceMs = 3_600_000;
/** Looked after in one run of the sweep; the rest is for the next. */
const sweptAtOnce = 200;

export interface Limits {
  readonly maxAppBytes: number;
  readonly minPartBytes: number;
  readonly maxPartBytes: number;
  /** Of one user. */
  readonly maxOpenUploads: number;
  /** After the last part that came. */
  readonly lifetimeMs: number;
}

export interface NewUpload {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly partBytes?: number | undefined;
}

export interface SentPart {
  readonly number: number;
  readonly body: Readable;
  /** What the client says it is, in hex. */
  readonly sha256: string | undefined;
}

interface Deps {
  readonly catalogue: Catalogue;
  readonly store: Store;
  readonly drover: Drover;
  readonly limits: Limits;
}

export type Uploads = ReturnType<typeof createUploads>;

/** The key of an app's content. */
export function contentKey(id: string): string {
  return `${id}/content`;
}

export function partCount({ sizeBytes, partBytes }: Pick<App, 'sizeBytes' | 'partBytes'>): number {
  return Math.ceil(sizeBytes / partBytes);
}

/** All but the last part are of one size. */
export function partSize(app: Pick<App, 'sizeBytes' | 'partBytes'>, number: number): number {
  return number < partCount(app) ? app.partBytes : app.sizeBytes - app.partBytes * (partCount(app) - 1);
}

/** Uploads from the first word to the app that they become. Any instance may do any step of any of them. */
export function createUploads({ catalogue, store, drover, limits }: Deps) {
  async function findUpload(id: string): Promise<App> {
    const app = await catalogue.find(id);
    if (app === undefined || app.state === 'removed') throw noUpload(id);
    if (app.state === 'uploading' && app.sweepAt !== null && app.sweepAt < Date.now()) throw noUpload(id);
    return app;
  }

  /** Best effort: what stays is for the sweep. */
  async function clear(id: string, butFor?: string): Promise<void> {
    await store.clear(id, butFor).catch((error: Error) => console.log(`Left for the sweep: ${id}: ${error.message}`));
  }

  async function join(app: App, parts: readonly Part[], signal: AbortSignal): Promise<string> {
    try {
      return await store.join(parts, { key: contentKey(app.id), sha256: app.sha256, signal });
    } catch (error) {
      if (!(error instanceof NotThere)) throw error;
      throw new Refusal(409, 'UPLOAD_CHANGED', 'A part was sent again meanwhile: ask again when all parts are there');
    }
  }

  async function completeAlone(id: string, signal: AbortSignal): Promise<App> {
    const app = await findUpload(id);
    // Somebody else did it while this call stood in line, or before it came.
    if (app.state === 'ready') return app;
    const parts = await catalogue.listParts(id);
    if (parts.length < partCount(app)) {
      const missing = missingParts(app, parts);
      const message = `${parts.length} of ${partCount(app)} parts are here`;
      throw new Refusal(409, 'PARTS_MISSING', message, { missing: missing.slice(0, 100) });
    }
    const found = await join(app, parts, signal);
    if (found !== app.sha256) {
      const message = `The parts together have SHA-256 ${found}, and ${app.sha256} was announced: send the wrong ones again`;
      throw new Refusal(422, 'CHECKSUM_WRONG', message, { found, announced: app.sha256 });
    }
    // The row is what counts, not the lock: it becomes ready once, whoever held the lock how long. And what a late one has put
    // under the key meanwhile is the same content, because its checksum is.
    if (!(await catalogue.finish(id, Date.now() + graceMs))) return findUpload(id);
    console.log(`App ${id} is ready: ${app.sizeBytes} bytes in ${parts.length} parts`);
    await clear(id, contentKey(id));
    return { ...app, state: 'ready' };
  }

  return {
    find: findUpload,

    async create({ name, sizeBytes, sha256, partBytes }: NewUpload, owner: string): Promise<App> {
      const app: App = {
        ...{ id: randomUUID(), name, owner, sizeBytes, sha256, state: 'uploading', createdAt: Date.now() },
        partBytes: partBytes ?? defaultPartBytes(sizeBytes, limits),
        sweepAt: Date.now() + limits.lifetimeMs,
      };
      // One at a time for each user, so that two instances do not both see the last free place.
      await drover.withLock(`uploads-of:${encodeURIComponent(owner)}`, { ttlMs: 5_000, waitMs: 5_000 }, async () => {
        if ((await catalogue.countUploads(owner, Date.now())) >= limits.maxOpenUploads) {
          const allowed = limits.maxOpenUploads;
          const message = `There are ${allowed} open uploads: complete or delete one of them first`;
          throw new Refusal(429, 'TOO_MANY_UPLOADS', message, { allowed });
        }
        await catalogue.add(app);
      });
      return app;
    },

    /** Stores a part, in place of an earlier one of the same number. It is seen when all of it is in the store. */
    async putPart(app: App, { number, body, sha256 }: SentPart): Promise<Part> {
      if (app.state !== 'uploading') throw alreadyComplete(app.id);
      const sizeBytes = partSize(app, number);
      // A name that nobody else has: two that send the same part at once do not write the same file.
      const key = `${app.id}/part-${number}-${randomUUID()}`;
      const content = readPartContent(body, { sizeBytes, sha256 });
      let isNamed = false;
      try {
        await store.write(key, content.stream, sizeBytes);
        const part = { number, key, sizeBytes, sha256: content.sha256() };
        // From here on a row may name it, also when the database goes away before it has said so. Without one it goes with the
        // rest of the upload.
        isNamed = true;
        const earlier = await catalogue.putPart(app.id, part, Date.now() + limits.lifetimeMs);
        if (earlier === false) {
          isNamed = false;
          throw (await catalogue.find(app.id))?.state === 'ready' ? alreadyComplete(app.id) : noUpload(app.id);
        }
        if (earlier !== null) await store.remove(earlier).catch(() => undefined);
        return part;
      } finally {
        if (!isNamed) await store.remove(key).catch(() => undefined);
      }
    },

    listParts: (id: string) => catalogue.listParts(id),

    /**
     * Checks the whole and makes it an app. Called twice, at once or later and on whichever instance, it is one app and one answer.
     * The lock saves the work of doing it twice; that it happens once is kept by the row.
     */
    complete: (id: string): Promise<App> =>
      drover.withLock(`upload:${id}`, { ttlMs: 3_000, waitMs: 30_000 }, (lock) => completeAlone(id, lock.signal)),

    /** Unseen at once; then its files go. */
    async remove(app: App): Promise<boolean> {
      if (!(await catalogue.remove(app.id, app.state, Date.now() + graceMs))) return false;
      await clear(app.id);
      return true;
    },

    /** What nobody has gone on with, and what others could not clear away. To be called by one instance at a time. */
    async sweep(signal: AbortSignal): Promise<{ abandoned: number; cleared: number }> {
      let abandoned = 0;
      let cleared = 0;
      const now = Date.now();
      for (const { id, state } of await catalogue.listDue(now, sweptAtOnce)) {
        signal.throwIfAborted();
        if (state === 'uploading') {
          if (!(await catalogue.remove(id, state, now + graceMs, now))) continue;
          abandoned += 1;
        }
        await store.clear(id, state === 'ready' ? contentKey(id) : undefined);
        cleared += 1;
        if (state === 'ready') await catalogue.settle(id);
        if (state === 'removed') await catalogue.forget(id);
      }
      if (abandoned > 0) console.log(`Removed ${abandoned} abandoned uploads`);
      return { abandoned, cleared };
    },
  };
}

export function missingParts(app: App, parts: readonly Part[]): number[] {
  const there = new Set(parts.map(({ number }) => number));
  return Array.from({ length: partCount(app) }, (_, index) => index + 1).filter((number) => !there.has(number));
}

/** As small as allowed, which makes for little to be sent again, unless that were too many. */
function defaultPartBytes(sizeBytes: number, { minPartBytes }: Limits): number {
  return Math.max(minPartBytes, Math.ceil(sizeBytes / maxParts));
}

function noUpload(id: string): Refusal {
  return new Refusal(404, 'UPLOAD_NOT_FOUND', `There is no upload ${id}: it has expired, was deleted, or never was`);
}

function alreadyComplete(id: string): Refusal {
  return new Refusal(409, 'UPLOAD_COMPLETE', `Upload ${id} is complete: see /apps/${id}`);
}
