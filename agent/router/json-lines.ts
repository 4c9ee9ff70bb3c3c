import type { Socket } from 'node:net';

/** The largest table of 50 hosts with thousands of instances is below 2 MiB; past this the peer is broken or hostile. */
const maxLineBytes = 16 * 1024 * 1024;

/**
 * Calls `onMessage` with each JSON value that comes as a line on the socket. A line that is too long or no JSON ends the
 * connection: after it the two sides would not agree on what was said.
 */
export function readJsonLines(socket: Socket, onMessage: (message: unknown) => void): void {
  let parts: Buffer[] = [];
  let length = 0;
  socket.on('data', (chunk: Buffer) => {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      const line = parts.length === 1 ? parts[0]!.toString() : Buffer.concat(parts).toString();
      parts = [];
      length = 0;
      from = end + 1;
      let message: unknown;
      try {
        message = JSON.parse(line);
      } catch {
        socket.destroy();
        return;
      }
      onMessage(message);
    }
    if (from < chunk.length) {
      parts.push(chunk.subarray(from));
      length += chunk.length - from;
      if (length > maxLineBytes) socket.destroy();
    }
  });
}

/** Sends one value as a line; says nothing when the connection has ended. */
export function writeJsonLine(socket: Socket, message: unknown): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
}
