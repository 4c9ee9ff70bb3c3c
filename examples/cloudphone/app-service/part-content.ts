import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Refusal } from './refusal.ts';

export interface PartContent {
  readonly stream: Readable;
  /** Of all that went through, once the stream has ended. */
  sha256(): string;
}

/**
 * The body of a request as the content of a part: exactly so many bytes, hashed on their way. It ends with a Refusal when there
 * are more or fewer. The connection stays open then, so that the client can be told.
 */
export function readPartContent(body: Readable, sizeBytes: number): PartContent {
  const hash = createHash('sha256');
  async function* checked(): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > sizeBytes) throw wrongSize(sizeBytes, 'more');
      hash.update(chunk);
      yield chunk;
    }
    if (bytes < sizeBytes) throw wrongSize(sizeBytes, bytes);
  }
  return { stream: Readable.from(checked(), { objectMode: false }), sha256: () => hash.digest('hex') };
}

/** A part that has another size than it must have. */
export function wrongSize(sizeBytes: number, sentBytes: number | 'more'): Refusal {
  const message = `This part has ${sizeBytes} bytes, and ${sentBytes} were sent`;
  return new Refusal(400, 'PART_SIZE_WRONG', message, {
    field: 'body',
    reason: `${sentBytes} bytes`,
    allowed: sizeBytes,
  });
}
