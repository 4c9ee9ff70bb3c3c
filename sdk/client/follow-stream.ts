import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { DroverError, isDroverError } from '../../shared/contracts/drover-error.ts';
import { parseEventStream } from './event-stream.ts';
import { parseJson } from './failover.ts';

export interface FollowStreamOptions {
  /** Opens the stream; gets the id after which to go on, and how often it has been opened before. */
  readonly open: (lastEventId: string | undefined, reopened: number) => Promise<IncomingMessage>;
  readonly schema: z.ZodType;
  readonly signal: AbortSignal;
  readonly onReconnect?: ((error: Error) => void) | undefined;
}

/** Controllers send a comment each 10 s: three missed ones are a dead connection. */
const silenceMs = 30_000;
const firstPauseMs = 100;
const longestPauseMs = 2_000;

/**
 * The objects of a server-sent event stream. A lost connection is opened again after the last event seen, until the
 * server ends the stream, the signal is aborted, or a controller refuses with an error that will not pass.
 */
export async function* followStream<T>(options: FollowStreamOptions): AsyncGenerator<T> {
  const { open, schema, signal, onReconnect } = options;
  let lastEventId: string | undefined;
  let pauseMs = firstPauseMs;
  for (let reopened = 0; !signal.aborted; reopened++) {
    let response: IncomingMessage | undefined;
    try {
      response = await open(lastEventId, reopened);
      const opened = response;
      opened.setTimeout(silenceMs, () => opened.destroy(new Error(`nothing came for ${silenceMs} ms`)));
      for await (const { type, id, data } of parseEventStream(opened)) {
        if (type === 'end') return;
        if (type === 'error') throw new Error((parseJson(data) as { message?: string } | undefined)?.message ?? data);
        pauseMs = firstPauseMs;
        yield parse<T>(schema, data);
        // Only now: an event is seen when the reader has taken it.
        lastEventId = id ?? lastEventId;
      }
      onReconnect?.(new Error('the controller closed the stream'));
    } catch (error) {
      if (signal.aborted) return;
      // The first try tells the caller what is wrong; later ones wait for a controller to come back.
      if (isDroverError(error) && (reopened === 0 || !error.retryable)) throw error;
      onReconnect?.(error as Error);
    } finally {
      response?.destroy();
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}

function parse<T>(schema: z.ZodType, data: string): T {
  const result = schema.safeParse(parseJson(data));
  if (result.success) return result.data as T;
  throw new DroverError(
    'INTERNAL',
    `A controller sent an event of another form; is it of another version? ${data.slice(0, 200)}`,
  );
}
