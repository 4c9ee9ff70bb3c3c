import { createServer, type Server } from 'node:net';
import { ClientConnection } from './client-connection.ts';
import type { RouterConfig } from './config.ts';
import type { ExchangeContext } from './exchange-context.ts';
import type { ServingTable } from './serving-table.ts';

export interface FrontDependencies {
  readonly table: ServingTable;
  readonly context: ExchangeContext;
  readonly limits: RouterConfig['limits'];
  readonly trustForwarded: boolean;
}

/** The HTTP server of one listener (its number in the table), and its connections to clients. */
export class Front {
  #server: Server;
  #connections = new Set<ClientConnection>();
  #isClosing = false;

  constructor({ table, context, limits, trustForwarded }: FrontDependencies, listener: number) {
    const options = {
      context,
      limits,
      trustForwarded,
      match: (host: string, path: string) => table.match(listener, host, path),
      isLeaving: () => this.#isClosing,
      onGone: (connection: ClientConnection) => void this.#connections.delete(connection),
    };
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#connections.add(new ClientConnection(socket, options));
    });
    this.#server.maxConnections = limits.maxConnections;
  }

  /** The port it listens on; 0 before that. */
  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  get isEmpty(): boolean {
    return this.#connections.size === 0;
  }

  /** Whether a request is under way, or an answer has not left. */
  get isBusy(): boolean {
    for (const connection of this.#connections) if (connection.isBusy) return true;
    return false;
  }

  /** Binds the server; rejects with the error of the system when it cannot. */
  listen(port: number, host: string): Promise<void> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        // Out of file descriptors, for one: those that are connected are served on.
        server.on('error', () => {});
        resolve();
      });
    });
  }

  /** Connections to clients, tunnels among them. */
  countConnections(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.getConnections((error, count) => resolve(error ? 0 : count));
    });
  }

  /** Looks after what has taken too long. */
  sweep(nowMs: number): void {
    for (const connection of this.#connections) connection.sweep(nowMs);
  }

  /** Takes no more connections and ends the idle ones; requests in flight finish. */
  close(): void {
    this.#isClosing = true;
    this.#server.close();
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  /** Cuts every connection that is not a tunnel. */
  destroyConnections(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}
