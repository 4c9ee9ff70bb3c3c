import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { listFiles } from './list-files.ts';

/** A packed directory in a temporary file; `remove()` takes the file away. */
export interface PackedArtifact {
  readonly file: string;
  /** SHA-256 of the bytes of `file`, hex. */
  readonly digest: string;
  readonly bytes: number;
  /** Paths inside, relative to the directory. */
  readonly paths: readonly string[];
  /** Bytes of the files before they were packed. */
  readonly unpackedBytes: number;
  remove(): Promise<void>;
}

export interface PackOptions {
  readonly includeModules: boolean;
  readonly signal: AbortSignal;
}

/** Good enough, and fixed: another level would be another digest for the same files. */
const gzipLevel = 6;

/**
 * Packs a directory as a gzip tarball. The same files with the same modes give the same bytes: entries are sorted, and owners and
 * times are left out. Directories need no entries, except empty ones.
 * @throws DroverError FILE_INVALID when nothing is left to pack
 */
export async function packDirectory(
  directory: string,
  { includeModules, signal }: PackOptions,
): Promise<PackedArtifact> {
  const root = await realpath(directory);
  const { paths, bytes: unpackedBytes } = await listFiles(root, { includeModules });
  if (paths.length === 0) {
    throw new DroverError('FILE_INVALID', `${root} has no files to deploy: git ignores all of them, or it is empty`);
  }
  const { create } = await import('tar');
  const folder = await mkdtemp(join(tmpdir(), 'drover-pack-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const file = join(folder, 'artifact.tgz');
  const hash = createHash('sha256');
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  try {
    const archive = create(
      { cwd: root, gzip: { level: gzipLevel }, portable: true, noDirRecurse: true, mtime: new Date(0), strict: true },
      // A leading "@" would make tar read the file as an archive.
      paths.map((path) => `./${path}`),
    );
    await pipeline(archive as unknown as NodeJS.ReadableStream, measure, createWriteStream(file, { mode: 0o600 }), {
      signal,
    });
  } catch (error) {
    await remove();
    throw error;
  }
  return { file, digest: hash.digest('hex'), bytes, paths, unpackedBytes, remove };
}
