import { setTimeout as sleep } from 'node:timers/promises';
import { parseListen, type RouterConfig } from './config.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { Front } from './front.ts';
import { Listeners } from './listeners.ts';
import type { Acknowledgement, EndpointNotice, RouterStats, RouterTable } from './protocol.ts';
import { ServingTable, sharedListener } from './serving-table.ts';
import { loadTable, saveTable } from './table-file.ts';
import { noFailures } from './traffic.ts';

/** How exact the deadlines of requests and of idle connections are; one timer for all costs a request nothing. */
const sweepIntervalMs = 250;
/** How often a stopping router looks whether the last request has ended. */
const drainPollMs = 50;

export interface RouterDependencies {
  readonly config: RouterConfig;
  log(event: string, fields: Record<string, unknown>): void;
}

export interface RouterEvents {
  onAck(ack: Acknowledgement): void;
  onNotice(notice: EndpointNotice): void;
}

/** The whole router without its process: listeners, the table that is served, and what is in flight. */
export class Router {
  #config: RouterConfig;
  #log: RouterDependencies['log'];
  #subscribers = new Set<RouterEvents>();
  #context: ExchangeContext;
  #table: ServingTable;
  #listeners: Listeners;
  #shared: Front;
  #sweeper: NodeJS.Timeout;
  #applying: Promise<void> = Promise.resolve();
  #isAckDue = false;

  constructor({ config, log }: RouterDependencies) {
    this.#config = config;
    this.#log = log;
    this.#context = {
      failures: noFailures(),
      nowMs: () => performance.now(),
    };
    this.#table = new ServingTable({
      onNotice: (notice) => {
        for (const subscriber of this.#subscribers) subscriber.onNotice(notice);
      },
      onBusyChanged: () => this.#ackSoon(),
    });
    const front = {
      table: this.#table,
      context: this.#context,
      limits: config.limits,
      trustForwarded: config.trustForwarded,
    };
    this.#listeners = new Listeners({
      host: parseListen(config.listen).host,
      createFront: (listener) => new Front(front, listener),
      onErrorsChanged: () => this.#ackSoon(),
    });
    this.#shared = new Front(front, sharedListener);
    this.#sweeper = setInterval(() => this.#sweep(), sweepIntervalMs);
  }

  get epoch(): number {
    return this.#table.epoch;
  }

  /** Port of the shared listener once it is open; differs from the configured one only when that is 0. */
  get port(): number {
    return this.#shared.port;
  }

  get #fronts(): Front[] {
    return [this.#shared, ...this.#listeners.fronts];
  }

  /** Serves the last known table, then opens the shared listener; rejects when its port cannot be bound. */
  async start(): Promise<void> {
    const { host, port } = parseListen(this.#config.listen);
    const table = loadTable(this.#config.stateDirectory);
    if (table !== null) {
      this.#table.apply(table);
      await this.#listeners.set(this.#table.ports);
    }
    await this.#shared.listen(port, host);
    this.#log('router.started', { port: this.port, epoch: this.#table.epoch });
  }

  subscribe(events: RouterEvents): () => void {
    this.#subscribers.add(events);
    return () => this.#subscribers.delete(events);
  }

  /**
   * Serves this table from the next request on, and resolves when its ports are open, it is on disk, and the
   * acknowledgement is out. A table that is not newer (within its generation) changes nothing and is acknowledged with
   * what is applied. Tables are taken in the order of the calls.
   */
  apply(table: RouterTable): Promise<void> {
    const applied = this.#applying.then(async () => {
      if (!this.#table.isStale(table)) {
        this.#table.apply(table);
        await Promise.all([this.#listeners.set(this.#table.ports), this.#save(table)]);
      }
      this.#ack();
    });
    this.#applying = applied.catch(() => {});
    return applied;
  }

  acknowledgement(): Acknowledgement {
    return {
      epoch: this.#table.epoch,
      generation: this.#table.generation,
      busy: this.#table.busy(),
      upgraded: this.#table.upgraded(),
      errors: this.#listeners.errors,
    };
  }

  async stats(): Promise<RouterStats> {
    const counts = await Promise.all(this.#fronts.map((front) => front.countConnections()));
    return {
      epoch: this.#table.epoch,
      connections: counts.reduce((sum, count) => sum + count, 0),
      failures: this.#context.failures,
      ...this.#table.stats(),
    };
  }

  /** Takes no more connections, lets requests in flight end (at most `drainTimeoutMs`), then closes what is left. */
  async close(): Promise<void> {
    const fronts = this.#fronts;
    this.#listeners.close();
    this.#shared.close();
    const deadline = performance.now() + this.#config.drainTimeoutMs;
    while (fronts.some((front) => front.isBusy) && performance.now() < deadline) await sleep(drainPollMs);
    clearInterval(this.#sweeper);
    const isCut = fronts.some((front) => front.isBusy);
    for (const front of fronts) front.destroyConnections();
    this.#table.closeIdle();
    this.#log('router.stopped', { isDrained: !isCut });
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const front of this.#fronts) front.sweep(nowMs);
    this.#table.closeExpired(nowMs);
  }

  async #save(table: RouterTable): Promise<void> {
    try {
      await saveTable(this.#config.stateDirectory, table);
    } catch (error) {
      // Serving goes on: only a restart without any controller would find an older table.
      this.#log('table.notSaved', { epoch: table.epoch, error: String(error) });
    }
  }

  #ackSoon(): void {
    if (this.#isAckDue) return;
    this.#isAckDue = true;
    setImmediate(() => this.#ack());
  }

  #ack(): void {
    this.#isAckDue = false;
    const ack = this.acknowledgement();
    for (const subscriber of this.#subscribers) subscriber.onAck(ack);
  }
}
