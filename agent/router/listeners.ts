import type { Front } from './front.ts';
import type { ListenError } from './protocol.ts';

/** A port that is taken now may be free in a moment: its last holder may be a stopping process. */
const retryMs = 1_000;

export interface ListenersOptions {
  readonly host: string;
  createFront(listener: number): Front;
  /** `errors` has changed because a retry had another outcome. */
  onErrorsChanged(): void;
}

/** The listeners of routes with a port of their own, opened and closed as the table changes. */
export class Listeners {
  #options: ListenersOptions;
  #open = new Map<number, Front>();
  /** Out of the table, with connections whose last request is not answered yet. */
  #closing = new Set<Front>();
  #failed = new Map<number, string>();
  #wanted: readonly number[] = [];
  #retry: NodeJS.Timeout | null = null;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  get errors(): ListenError[] {
    return [...this.#failed].map(([port, code]) => ({ port, code }));
  }

  /** Those that are open, and those that still have connections. */
  get fronts(): Front[] {
    for (const front of this.#closing) if (front.isEmpty) this.#closing.delete(front);
    return [...this.#open.values(), ...this.#closing];
  }

  /** Opens what is missing and closes what is no longer wanted; resolves when each port is bound or has failed. */
  async set(ports: readonly number[]): Promise<void> {
    this.#wanted = ports;
    for (const [port, front] of this.#open) {
      if (ports.includes(port)) continue;
      this.#open.delete(port);
      this.#close(front);
    }
    for (const port of this.#failed.keys()) if (!ports.includes(port)) this.#failed.delete(port);
    await Promise.all(ports.filter((port) => !this.#open.has(port)).map((port) => this.#listen(port)));
    this.#scheduleRetry();
  }

  close(): void {
    this.#wanted = [];
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    for (const front of this.#open.values()) this.#close(front);
    this.#open.clear();
    this.#failed.clear();
  }

  #close(front: Front): void {
    front.close();
    this.#closing.add(front);
  }

  async #listen(port: number): Promise<void> {
    const front = this.#options.createFront(port);
    const failure = await front.listen(port, this.#options.host).then(
      () => null,
      (error: NodeJS.ErrnoException) => error.code ?? 'UNKNOWN',
    );
    // The table may have changed meanwhile; and of a retry and a new table that try at once the second finds the first there.
    if (!this.#wanted.includes(port)) {
      if (failure === null) front.close();
    } else if (failure === null) {
      this.#failed.delete(port);
      this.#open.set(port, front);
    } else if (!this.#open.has(port)) {
      this.#failed.set(port, failure);
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
