import type { Front } from './front.ts';
import type { ListenError } from './protocol.ts';

/** A port that is taken now may be free in a moment: its last holder may be a stopping process. */
const retryMs = 1_000;

export interface ListenersOptions {
  readonly host: string;
  createServer(listener: number): Front;
  /** `errors` has changed because a retry had another outcome. */
  onErrorsChanged(): void;
}

/** The listeners of routes with a port of their own, opened and closed as the table changes. */
export class Listeners {
  #options: ListenersOptions;
  #open = new Map<number, Front>();
  #failed = new Map<number, string>();
  #retry: NodeJS.Timeout | null = null;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  get errors(): ListenError[] {
    return [...this.#failed].map(([port, code]) => ({ port, code }));
  }

  get servers(): Front[] {
    return [...this.#open.values()];
  }

  /** Opens what is missing and closes what is no longer wanted; resolves when each port is bound or has failed. */
  async set(ports: readonly number[]): Promise<void> {
    for (const [port, server] of this.#open) {
      if (ports.includes(port)) continue;
      this.#open.delete(port);
      closeGently(server);
    }
    for (const port of this.#failed.keys()) if (!ports.includes(port)) this.#failed.delete(port);
    await Promise.all(ports.filter((port) => !this.#open.has(port)).map((port) => this.#listen(port)));
    this.#scheduleRetry();
  }

  close(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    for (const server of this.#open.values()) closeGently(server);
    this.#open.clear();
    this.#failed.clear();
  }

  async #listen(port: number): Promise<void> {
    const server = this.#options.createServer(port);
    try {
      await listenOn(server, port, this.#options.host);
      this.#failed.delete(port);
      this.#open.set(port, server);
    } catch (error) {
      this.#failed.set(port, (error as NodeJS.ErrnoException).code ?? 'UNKNOWN');
    }
  }

  #scheduleRetry(): void {
    if (this.#retry !== null || this.#failed.size === 0) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      void this.#retryFailed();
    }, retryMs);
  }

  async #retryFailed(): Promise<void> {
    const before = this.#failed.size;
    for (const port of [...this.#failed.keys()]) await this.#listen(port);
    if (this.#failed.size !== before) this.#options.onErrorsChanged();
    this.#scheduleRetry();
  }
}

/** Binds the server; rejects with the error of the system when it cannot. */
export function listenOn(server: Front, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Takes no more connections and ends the idle ones; requests in flight finish. */
export function closeGently(server: Front): void {
  server.close();
  server.closeIdleConnections();
}
