import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Refusal } from '../shared/refusal.ts';

export interface PartContent {
  readonly stream: Readable;
  /** In hex; once the stream has ended. */
  sha256(): string;
}

export interface ExpectedPart {
  readonly sizeBytes: number;
  /** In hex, where the client has said it. */
  readonly sha256: string | undefined;
}

/**
 * The body of a request as the content of a part: it ends well only with the expected size and checksum, else with a Refusal.
 * The last piece is passed on when both are known, so that a store which counts bytes never has all of a wrong part. The
 * connection stays open on a Refusal: the client is to be told.
 */
export function readPartContent(body: Readable, { sizeBytes, sha256 }: ExpectedPart): PartContent {
  const hash = createHash('sha256');
  let found = '';
  async function* checked(): AsyncGenerator<Buffer> {
    let bytes = 0;
    let last: Buffer | undefined;
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > sizeBytes) throw wrongSize(sizeBytes, 'more');
      hash.update(chunk);
      if (last !== undefined) yield last;
      last = chunk;
    }
    if (last === undefined || bytes < sizeBytes) throw wrongSize(sizeBytes, bytes);
    found = hash.digest('hex');
    if (sha256 !== undefined && sha256 !== found) {
      const message = `The part has SHA-256 ${found}, and ${sha256} was announced.`;
      throw new Refusal(422, 'CHECKSUM_WRONG', message, { found, announced: sha256 });
    }
    yield last;
  }
  return { stream: Readable.from(checked(), { objectMode: false }), sha256: () => found };
}

/** A part that has another size than it must have. */
export function wrongSize(sizeBytes: number, sentBytes: number | 'more'): Refusal {
  const message = `This part has ${sizeBytes} bytes, and ${sentBytes} were sent.`;
  return new Refusal(400, 'PART_SIZE_WRONG', message, {
    ...{ field: 'body', reason: `${sentBytes} bytes`, allowed: `${sizeBytes} bytes` },
  });
}
