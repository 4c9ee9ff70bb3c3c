import { createHash } from 'node:crypto';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isDroverError } from '../../shared/contracts/drover-error.ts';
import { operations } from '../../shared/contracts/operations.ts';
import { type ControllerRequest, openResponse } from '../request-json.ts';
import { provideSdk } from './provide-sdk.ts';
import { unpackArtifact } from './unpack-artifact.ts';

/** Revisions that are no longer planned are kept so far, because a rollback wants one of them soon. */
const keptUnplanned = 3;

export interface ArtifactStoreOptions {
  readonly directory: string;
  /** In the order in which they are to be asked. */
  readonly controllers: () => readonly string[];
  readonly tls: ControllerRequest['tls'];
  /** The package for services is not as this agent would have it, as on a full disk. */
  readonly onSdkUnsaved?: (error: Error) => void;
}

/** Beside the artifacts, where modules of all of them look. */
const sdkFolder = 'node_modules';

/** No controller could give the artifact now; the same call may succeed later. */
export class ArtifactUnavailable extends Error {
  override readonly name = 'ArtifactUnavailable';
}

/** The unpacked artifacts of this host, each in a directory named by its digest. */
export class ArtifactStore {
  readonly #options: ArtifactStoreOptions;
  readonly #fetching = new Map<string, Promise<string>>();

  constructor(options: ArtifactStoreOptions) {
    this.#options = options;
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    // What a crash left half done.
    for (const name of readdirSync(options.directory)) {
      if (name.includes('.')) rmSync(join(options.directory, name), { recursive: true, force: true });
    }
    try {
      provideSdk(options.directory);
    } catch (error) {
      options.onSdkUnsaved?.(error as Error);
    }
  }

  /**
   * The directory of an artifact, fetched and verified first if this host does not have it. One fetch serves all that ask.
   *
   * @throws ArtifactUnavailable, or an error whose message says what is wrong with the artifact itself.
   */
  directoryOf(digest: string): Promise<string> {
    const directory = join(this.#options.directory, digest);
    const running = this.#fetching.get(digest);
    if (running !== undefined) return running;
    if (existsSync(directory)) return Promise.resolve(directory);
    const fetching = this.#fetch(digest, directory).finally(() => this.#fetching.delete(digest));
    this.#fetching.set(digest, fetching);
    return fetching;
  }

  /** Removes artifacts that are neither planned nor among the last few used. */
  prune(planned: ReadonlySet<string>): void {
    const unplanned = readdirSync(this.#options.directory)
      .filter((name) => name !== sdkFolder && !name.includes('.') && !planned.has(name) && !this.#fetching.has(name))
      .map((name) => ({ name, usedAt: statSync(join(this.#options.directory, name)).mtimeMs }))
      .sort((a, b) => b.usedAt - a.usedAt);
    for (const { name } of unplanned.slice(keptUnplanned)) {
      rmSync(join(this.#options.directory, name), { recursive: true, force: true });
    }
  }

  async #fetch(digest: string, directory: string): Promise<string> {
    const part = `${directory}.part`;
    const unpacked = `${directory}.unpacked`;
    try {
      const uploadedAt = await this.#download(digest, part);
      mkdirSync(unpacked, { recursive: true, mode: 0o755 });
      await unpackArtifact(part, unpacked, uploadedAt);
      const now = new Date();
      utimesSync(unpacked, now, now);
      renameSync(unpacked, directory);
      return directory;
    } finally {
      rmSync(part, { force: true });
      rmSync(unpacked, { recursive: true, force: true });
    }
  }

  async #download(digest: string, part: string): Promise<Date> {
    const reasons: string[] = [];
    for (const controller of this.#options.controllers()) {
      try {
        const { found, uploadedAt } = await this.#downloadFrom(controller, digest, part);
        if (found === digest) return uploadedAt;
        throw new Error(
          `artifact ${digest.slice(0, 12)}… arrived with digest ${found.slice(0, 12)}…: it was changed on the way`,
        );
      } catch (error) {
        if (!isTransient(error)) throw error;
        reasons.push((error as Error).message);
      }
    }
    throw new ArtifactUnavailable(`no controller could send the artifact: ${reasons.join('; ') || 'none is known'}`);
  }

  async #downloadFrom(
    controller: string,
    digest: string,
    part: string,
  ): Promise<{ readonly found: string; readonly uploadedAt: Date }> {
    const { path, method } = operations.getArtifactContent;
    const url = new URL(path.replace(':digest', digest), controller);
    const response = await openResponse({ url, method, tls: this.#options.tls });
    const hash = createHash('sha256');
    const verify = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(response, verify, createWriteStream(part, { mode: 0o600 }));
    const at = new Date(response.headers['last-modified'] ?? Number.NaN);
    return { found: hash.digest('hex'), uploadedAt: Number.isNaN(at.getTime()) ? new Date() : at };
  }
}

/** A controller that is away, or a connection that broke. What a controller refuses for good, and a full disk, are not. */
function isTransient(error: unknown): boolean {
  if (isDroverError(error)) return error.retryable;
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ETIMEDOUT' || code === 'EPIPE';
}
