import { createHash } from 'node:crypto';
import { DroverError } from '../../contracts/drover-error.ts';
import type { Artifact } from '../../contracts/entities.ts';
import type { ArtifactStore } from './store.ts';
import type { StoreContext } from './store-context.ts';

/** Small enough that one chunk never holds Redis or a connection up, large enough that an artifact has few. */
const chunkBytes = 1_048_576;

/** A chunk takes its time over a slow link. */
const chunkTimeoutMs = 20_000;

/** An upload that stopped half-way is forgotten, and so is an artifact that no revision has claimed in a day. */
const uploadTtlMs = 3_600_000;
const unclaimedTtlMs = 86_400_000;

interface Meta extends Artifact {
  readonly chunks: number;
}

/** An artifact is one hash, its chunks by number and `meta`: it appears whole by a rename, and goes as one. */
export function createArtifactStore(context: StoreContext): ArtifactStore {
  const { keys } = context;

  async function readMeta(digest: string): Promise<Meta | null> {
    const key = keys.artifact(digest);
    // XX: only an artifact that would expire gets a new day, in which its deploy can follow.
    const [text] = await context.ask('read an artifact', (redis) =>
      Promise.all([redis.hget(key, 'meta'), redis.pexpire(key, unclaimedTtlMs, 'XX')]),
    );
    return text === null ? null : (JSON.parse(text) as Meta);
  }

  return {
    async get(digest) {
      const meta = await readMeta(digest);
      return meta === null ? null : toArtifact(meta);
    },

    async put(digest, content, maxBytes) {
      const upload = keys.upload(context.newId());
      try {
        const { bytes, chunks } = await receive(context, upload, digest, content, maxBytes);
        const stored = await readMeta(digest);
        if (stored !== null) return toArtifact(stored);
        const meta: Meta = { digest, bytes, createdAt: context.nowMs(), chunks };
        await context.ask(
          'publish an artifact',
          (redis) =>
            redis
              .multi()
              .hset(upload, 'meta', JSON.stringify(meta))
              .rename(upload, keys.artifact(digest))
              .pexpire(keys.artifact(digest), unclaimedTtlMs)
              .exec(),
          chunkTimeoutMs,
        );
        return toArtifact(meta);
      } finally {
        // The upload may have been renamed, or Redis may be gone; then it expires by itself.
        await context.ask('drop an upload', (redis) => redis.unlink(upload)).catch(() => {});
      }
    },

    async *read(digest) {
      const meta = await readMeta(digest);
      if (meta === null) throw artifactNotFound(digest);
      for (let index = 0; index < meta.chunks; index++) {
        const chunk = await context.ask(
          'read an artifact',
          (redis) => redis.hgetBuffer(keys.artifact(digest), String(index)),
          chunkTimeoutMs,
        );
        if (chunk === null) throw artifactNotFound(digest);
        yield chunk;
      }
    },
  };
}

/** Stores the content in chunks under a temporary key, within `maxBytes`, and checks its digest. */
async function receive(
  context: StoreContext,
  upload: string,
  digest: string,
  content: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<{ bytes: number; chunks: number }> {
  const hash = createHash('sha256');
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let bytes = 0;
  let chunks = 0;

  async function store(chunk: Buffer): Promise<void> {
    const field = String(chunks++);
    await context.ask(
      'store an artifact',
      (redis) => Promise.all([redis.hset(upload, field, chunk), redis.pexpire(upload, uploadTtlMs)]),
      chunkTimeoutMs,
    );
  }

  for await (const piece of content) {
    bytes += piece.byteLength;
    if (bytes > maxBytes) {
      throw new DroverError(
        'ARTIFACT_TOO_LARGE',
        `The artifact is larger than ${maxBytes} bytes. Leave out what the service does not need at run time.`,
        { details: { maxBytes } },
      );
    }
    hash.update(piece);
    pending.push(piece);
    pendingBytes += piece.byteLength;
    if (pendingBytes < chunkBytes) continue;
    const joined = Buffer.concat(pending);
    let start = 0;
    for (; joined.length - start >= chunkBytes; start += chunkBytes) {
      await store(joined.subarray(start, start + chunkBytes));
    }
    pending = [joined.subarray(start)];
    pendingBytes = joined.length - start;
  }
  if (pendingBytes > 0) await store(Buffer.concat(pending));

  const actual = hash.digest('hex');
  if (actual !== digest) {
    throw new DroverError(
      'ARTIFACT_MISMATCH',
      `The bytes received have the digest ${actual}, not ${digest}. Upload again.`,
    );
  }
  return { bytes, chunks };
}

function toArtifact({ digest, bytes, createdAt }: Meta): Artifact {
  return { digest, bytes, createdAt };
}

function artifactNotFound(digest: string): DroverError {
  return new DroverError('ARTIFACT_NOT_FOUND', `No artifact has the digest ${digest}. Deploy the service again.`);
}
