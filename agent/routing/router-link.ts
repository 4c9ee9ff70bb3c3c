import type { RouterStatus, RoutingTable } from '../../shared/contracts/entities.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import { createLoop, type Loop } from '../../shared/runtime/loop.ts';
import type { DataPaths } from '../data-paths.ts';
import { connectRouter, type RouterClient } from '../router/client.ts';
import { launchRouter } from '../router/launch.ts';
import type { Acknowledgement } from '../router/protocol.ts';

/** A router that died is missed by every client, so it is looked for often; with one that lives this costs nothing. */
const checkIntervalMs = 500;

export interface RouterLinkOptions {
  readonly listen: string;
  readonly paths: DataPaths;
  readonly environment: Readonly<Record<string, string>>;
  readonly logger: Logger;
  /** The router has acknowledged something. It must not act, only note. */
  onChange(): void;
}

/** Keeps the router of this node running and gives it the routing table; both outlive the agent. */
export class RouterLink {
  readonly #options: RouterLinkOptions;
  readonly #loop: Loop;
  #client: RouterClient | null = null;
  #ack: Acknowledgement | null = null;
  #wanted: RoutingTable | null = null;
  #sent: RoutingTable | null = null;

  constructor(options: RouterLinkOptions) {
    this.#options = options;
    this.#loop = createLoop(() => this.#run(), {
      intervalMs: checkIntervalMs,
      onError: (error) => options.logger.error('the router does not run', { reason: (error as Error).message }),
    });
  }

  /** Null leaves the router with what it has. */
  setTable(table: RoutingTable | null): void {
    if (table === null || isSame(table, this.#wanted)) return;
    this.#wanted = table;
    this.#loop.wake();
  }

  status(): Omit<RouterStatus, 'nodeId' | 'reportedAt'> | null {
    if (this.#ack === null) return null;
    const { epoch, generation, busy, errors } = this.#ack;
    // A router that has applied nothing yet has an epoch below all others.
    return {
      epoch: Math.max(0, epoch),
      generation,
      busy: [...busy],
      errors: [...errors],
      listen: this.#options.listen,
    };
  }

  async close(): Promise<void> {
    await this.#loop.close();
    this.#client?.close();
  }

  async #run(): Promise<void> {
    if (this.#client === null) await this.#connect();
    if (this.#wanted === null || isSame(this.#wanted, this.#sent)) return;
    this.#client?.sendTable(this.#wanted);
    this.#sent = this.#wanted;
  }

  async #connect(): Promise<void> {
    const { listen, paths, environment, logger, onChange } = this.#options;
    const { routerSocket: socketPath, router: stateDirectory, compileCache } = paths;
    const { socketPath: livingSocket, pid } = await launchRouter({
      settings: { stateDirectory, socketPath, listen },
      environment: { ...environment, NODE_COMPILE_CACHE: compileCache },
    });
    this.#client = await connectRouter({
      socketPath: livingSocket,
      onAck: (ack) => {
        this.#ack = ack;
        onChange();
      },
      onEndpoint: (notice) => logger.debug('the router judges an endpoint', { ...notice }),
      onClose: () => {
        this.#client = null;
        this.#sent = null;
        this.#loop.wake();
      },
    });
    this.#client.sendTable(null);
    logger.info('the router is connected', { pid, listen });
  }
}

/** Of two tables with the same stamp the contents are the same too. */
function isSame(a: RoutingTable, b: RoutingTable | null): boolean {
  return b !== null && a.epoch === b.epoch && a.generation === b.generation;
}
