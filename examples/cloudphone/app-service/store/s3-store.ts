import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { finished, Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { NotThere } from './not-there.ts';
import { readHashed } from './read-hashed.ts';
import type { ByteRange, Join, Store, StoredPart } from './store.ts';

/** Objects that are removed at the same time. */
const removedAtOnce = 16;

/**
 * A bucket of S3, or of what speaks its language. An object is there when its upload has ended, and not before. Credentials
 * come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or wherever else the SDK of AWS looks.
 */
export function createS3Store(place: URL): Store {
  const Bucket = place.hostname;
  const endpoint = place.searchParams.get('endpoint');
  const region = place.searchParams.get('region') ?? process.env.AWS_REGION ?? 'us-east-1';
  const client = new S3Client({
    region,
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    // Others than AWS do not all know the checksums that it would add. What counts is compared by ourselves.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const folder = place.pathname.replace(/^\/|\/$/g, '');
  const objectOf = (key: string) => ({ Bucket, Key: folder === '' ? key : `${folder}/${key}` });

  async function read(key: string, range?: ByteRange): Promise<Readable> {
    const part = range && { Range: `bytes=${range.first}-${range.last}` };
    try {
      return (await client.send(new GetObjectCommand({ ...objectOf(key), ...part }))).Body as Readable;
    } catch (error) {
      throw error instanceof NoSuchKey ? new NotThere(key) : error;
    }
  }

  /** One part of the whole after the other, copied by way of this process, which has to see each byte anyway. */
  async function copyParts(upload: { UploadId: string }, parts: readonly StoredPart[], { key, sha256, signal }: Join) {
    const hash = createHash('sha256');
    const Parts = [];
    for (const [index, part] of parts.entries()) {
      const Body = Readable.from(readHashed({ read }, part, hash), { objectMode: false });
      const target = { ...objectOf(key), ...upload, PartNumber: index + 1, ContentLength: part.sizeBytes };
      const { ETag } = await whileSent(Body, signal, (abortSignal) =>
        client.send(new UploadPartCommand({ ...target, Body }), { abortSignal }),
      );
      Parts.push({ PartNumber: index + 1, ETag });
    }
    const found = hash.digest('hex');
    if (found !== sha256) return { found, isThere: false };
    signal.throwIfAborted();
    const whole = { ...objectOf(key), ...upload, MultipartUpload: { Parts } };
    await client.send(new CompleteMultipartUploadCommand(whole));
    return { found, isThere: true };
  }

  async function remove(key: string): Promise<void> {
    await client.send(new DeleteObjectCommand(objectOf(key)));
  }

  return {
    read,
    remove,

    async write(key, content, ContentLength) {
      await whileSent(content, undefined, (abortSignal) =>
        client.send(new PutObjectCommand({ ...objectOf(key), Body: content, ContentLength }), { abortSignal }),
      );
    },

    async join(parts, join) {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand(objectOf(join.key)));
      const upload = { UploadId: UploadId as string };
      let isThere = false;
      try {
        const copied = await copyParts(upload, parts, join);
        isThere = copied.isThere;
        return copied.found;
      } finally {
        // Not all that speak S3 can do this; a rule of the bucket for uploads that do not end is needed anyway.
        const abort = () => client.send(new AbortMultipartUploadCommand({ ...objectOf(join.key), ...upload }));
        if (!isThere) await abort().catch(() => undefined);
      }
    },

    async clear(id, butFor) {
      const { Key: Prefix } = objectOf(`${id}/`);
      const kept = butFor === undefined ? undefined : objectOf(butFor).Key;
      for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket, Prefix })) {
        const keys = Contents.flatMap(({ Key }) => (Key === undefined || Key === kept ? [] : [Key]));
        while (keys.length > 0) {
          const some = keys.splice(0, removedAtOnce);
          await Promise.all(some.map((Key) => client.send(new DeleteObjectCommand({ Bucket, Key }))));
        }
      }
    },

    close: () => client.destroy(),
  };
}

/**
 * Sends a request whose body is a stream. When that breaks off, so does the request, which would otherwise wait for the rest;
 * and it has succeeded only when the stream has ended well.
 */
async function whileSent<T>(
  body: Readable,
  signal: AbortSignal | undefined,
  send: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const broken = new AbortController();
  const ended = new Promise<void>((resolve, reject) => {
    finished(body, { writable: false }, (error) => (error ? reject(error) : resolve()));
  });
  ended.catch((error) => broken.abort(error));
  const abortSignal = AbortSignal.any(signal === undefined ? [broken.signal] : [broken.signal, signal]);
  try {
    // A connection that is taken and has nothing to send yet is idle to the store, which closes such ones.
    await once(body, 'readable', { signal: abortSignal });
    const answer = await send(abortSignal);
    await ended;
    return answer;
  } catch (error) {
    body.destroy();
    throw body.errored ?? error;
  }
}
