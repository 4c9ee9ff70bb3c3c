import { chmodSync, existsSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { encodeJsonLine, JsonLineDecoder } from './json-lines.ts';
import type { RequestLine, ShimLine } from './protocol.ts';
import { RequestError } from './request-error.ts';
import type { Supervisor } from './supervisor.ts';

/** An agent that reads nothing for this long a backlog is cut off; it gets everything anew when it comes back. */
const MAX_BACKLOG_BYTES = 8 * 1024 * 1024;

/**
 * The unix socket on which agents speak to the shim. One agent is active at a time: a new hello replaces the older
 * connection. Losing the agent changes nothing for the workers.
 */
export class ControlServer {
  readonly #socketPath: string;
  readonly #supervisor: Supervisor;
  #server: Server;
  readonly #sockets = new Set<Socket>();
  #active: Socket | null = null;

  constructor(socketPath: string, supervisor: Supervisor) {
    this.#socketPath = socketPath;
    this.#supervisor = supervisor;
    this.#server = this.#newServer();
  }

  get hasAgent(): boolean {
    return this.#active !== null;
  }

  /** Rejects when the path cannot be bound. A socket file that a dead shim left there is replaced. */
  async listen(): Promise<void> {
    rmSync(this.#socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#socketPath, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    chmodSync(this.#socketPath, 0o600);
  }

  /**
   * Makes the socket file anew when somebody has deleted it, as cleaners of temporary directories do: without it no agent
   * would find the workers again. Connections stay as they are.
   */
  async keepReachable(): Promise<void> {
    if (existsSync(this.#socketPath)) return;
    this.#server.close();
    this.#server = this.#newServer();
    await this.listen();
  }

  /** Sends to the active agent, if there is one. */
  send(line: ShimLine): void {
    if (this.#active !== null) this.#write(this.#active, line);
  }

  /** Ends all connections after what was sent has gone out, and removes the socket file. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroySoon();
    await closed;
  }

  #newServer(): Server {
    return createServer((socket) => this.#serve(socket));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const decoder = new JsonLineDecoder({
      onValue: (value) => this.#answer(socket, value),
      onBroken: (problem) =>
        this.#write(socket, { type: 'error', request: 0, code: 'REQUEST_INVALID', message: problem }),
    });
    socket.on('data', (chunk: Buffer) => decoder.push(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#active === socket) this.#active = null;
    });
  }

  #answer(socket: Socket, value: unknown): void {
    const line = (value ?? {}) as Partial<RequestLine>;
    const request = typeof line.request === 'number' ? line.request : 0;
    try {
      if (line.type === 'hello') this.#activate(socket);
      else if (socket !== this.#active) throw new RequestError('HELLO_REQUIRED', 'say hello first');
      const result =
        line.type === 'hello' ? this.#supervisor.welcome() : this.#supervisor.handle(line as RequestLine as never);
      this.#write(socket, { type: 'reply', request, result });
    } catch (error) {
      const code = error instanceof RequestError ? error.code : 'REQUEST_INVALID';
      const message = error instanceof Error ? error.message : String(error);
      this.#write(socket, { type: 'error', request, code, message });
    }
  }

  #activate(socket: Socket): void {
    const previous = this.#active;
    this.#active = socket;
    if (previous !== null && previous !== socket) previous.destroySoon();
  }

  #write(socket: Socket, line: ShimLine): void {
    if (socket.destroyed) return;
    socket.write(encodeJsonLine(line));
    if (socket.writableLength > MAX_BACKLOG_BYTES) socket.destroy();
  }
}
