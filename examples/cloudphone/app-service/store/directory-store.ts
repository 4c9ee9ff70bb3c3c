import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { NotThere } from './not-there.ts';
import { readHashed } from './read-hashed.ts';
import type { Join, Store, StoredPart } from './store.ts';

/**
 * A directory that all instances have mounted under the same path; one of this host is enough for the instances of one host.
 * Content is written under another name, brought to the disk, and then renamed: a name of ours is a whole file, also after a
 * power cut.
 */
export function createDirectoryStore(root: string): Store {
  const pathOf = (key: string) => join(root, key);

  async function read(key: string, range?: { readonly first: number; readonly last: number }): Promise<Readable> {
    const file = await open(pathOf(key)).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? new NotThere(key) : error;
    });
    return file.createReadStream(range && { start: range.first, end: range.last });
  }

  /** Writes beside the key; `publish` decides whether it gets that name. */
  async function writeBeside(key: string, content: Readable, publish: () => boolean, signal?: AbortSignal) {
    const path = pathOf(key);
    const temporary = `${path}.${randomUUID()}.tmp`;
    await mkdir(dirname(path), { recursive: true });
    try {
      await pipeline(content, createWriteStream(temporary, { flags: 'wx', flush: true }), { signal });
      signal?.throwIfAborted();
      if (!publish()) return await rm(temporary);
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      // A disk that is full, or a client that is gone: what is here of it goes too.
      await rm(temporary, { force: true });
      throw error;
    }
  }

  return {
    read,
    write: (key, content) => writeBeside(key, content, () => true),

    async join(parts: readonly StoredPart[], { key, sha256, signal }: Join) {
      const hash = createHash('sha256');
      let found = '';
      const all = async function* () {
        for (const part of parts) yield* readHashed({ read }, part, hash);
      };
      const isRight = () => {
        found = hash.digest('hex');
        return found === sha256;
      };
      await writeBeside(key, Readable.from(all(), { objectMode: false }), isRight, signal);
      return found;
    },

    async clear(id, butFor) {
      const names = await readdir(pathOf(id)).catch(() => []);
      for (const name of names) if (`${id}/${name}` !== butFor) await rm(join(pathOf(id), name), { force: true });
      // Not where something is left, or written at this moment.
      if (butFor === undefined) await rmdir(pathOf(id)).catch(() => undefined);
    },

    remove: (key) => rm(pathOf(key), { force: true }),
    close: () => undefined,
  };
}

/** A new name survives a power cut only when its directory was brought to the disk too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
