import type { Socket } from 'node:net';
import { fieldLines } from './field-lines.ts';
import type { ResponseHead } from './response-head.ts';

/** A client that is gone without a word would keep its tunnel, and a connection of the worker, for ever. */
const probeAfterMs = 60_000;

export interface TunnelEnds {
  readonly client: Socket;
  readonly upstream: Socket;
  /** The 101 of the worker. */
  readonly head: ResponseHead;
  /** What the client sent after its request, before it had the answer. */
  readonly fromClient: Buffer;
  /** What the worker sent right after its 101. */
  readonly fromUpstream: Buffer;
}

/**
 * Joins both sides after a 101 and calls `onClosed` once when both are closed. Either side may end its direction first;
 * an error or close of one side closes the other. There is no time limit: a WebSocket may be silent for hours,
 * as long as its host is there.
 */
export function openTunnel(ends: TunnelEnds, onClosed: () => void): void {
  const { client, upstream, head } = ends;
  client.write(`HTTP/1.1 101 ${head.reason}\r\nConnection: Upgrade\r\n${fieldLines(head.headers)}\r\n`, 'latin1');
  if (ends.fromUpstream.length > 0) client.write(ends.fromUpstream);
  if (ends.fromClient.length > 0) upstream.write(ends.fromClient);

  let open = 2;
  const closed = (other: Socket) => () => {
    // What this side had said is still delivered to the other.
    other.destroySoon();
    if (--open === 0) onClosed();
  };
  client.setKeepAlive(true, probeAfterMs);
  client.on('error', () => client.destroy());
  upstream.on('error', () => upstream.destroy());
  client.on('close', closed(upstream));
  upstream.on('close', closed(client));
  client.pipe(upstream);
  upstream.pipe(client);
}
