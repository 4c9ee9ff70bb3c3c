import { connect, type Socket } from 'node:net';
import { readJsonLines, writeJsonLine } from './json-lines.ts';
import {
  type Acknowledgement,
  type AgentMessage,
  type EndpointNotice,
  type RouterMessage,
  type RouterStats,
  type RouterTable,
  routerProtocolVersion,
} from './protocol.ts';

export interface RouterClientOptions {
  readonly socketPath: string;
  /** Time for connect and welcome together. Default 2000. */
  readonly timeoutMs?: number;
  /** After each table, and whenever busy instances, upgraded connections or listen errors change. */
  onAck(ack: Acknowledgement): void;
  onEndpoint?(notice: EndpointNotice): void;
  /** The connection has ended, by either side; the caller connects again if it wants to. */
  onClose?(): void;
}

/** The agent's side of the control connection. It never reconnects by itself. */
export interface RouterClient {
  readonly pid: number;
  /** The epoch that was applied when the connection was made; -1 when none was. */
  readonly epoch: number;
  readonly version: number;
  /** Sends a table; the answer comes to `onAck`. Null asks for nothing but an acknowledgement. */
  sendTable(table: RouterTable | null): void;
  requestStatus(): void;
  /** Rejects when the connection ends first. */
  stats(): Promise<RouterStats>;
  close(): void;
}

const defaultTimeoutMs = 2_000;

/** Connects to a router and greets it; rejects when there is none, or when it does not answer in time. */
export function connectRouter(options: RouterClientOptions): Promise<RouterClient> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: options.socketPath });
    const waiting: { resolve(stats: RouterStats): void; reject(error: Error): void }[] = [];
    let isWelcome = false;
    const timer = setTimeout(() => {
      socket.destroy(new Error(`The router at ${options.socketPath} did not answer in time`));
    }, options.timeoutMs ?? defaultTimeoutMs);
    const send = (message: AgentMessage): void => writeJsonLine(socket, message);

    socket.on('connect', () => send({ type: 'hello', version: routerProtocolVersion }));
    socket.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      reject(new Error(`The router at ${options.socketPath} closed the connection`));
      for (const caller of waiting.splice(0)) caller.reject(new Error('The connection to the router has ended'));
      if (isWelcome) options.onClose?.();
    });
    readJsonLines(socket, (message) => {
      const received = message as RouterMessage;
      switch (received.type) {
        case 'welcome':
          clearTimeout(timer);
          isWelcome = true;
          resolve(clientOf(received, socket, send, waiting));
          return;
        case 'ack': {
          const { type: _type, ...ack } = received;
          options.onAck(ack);
          return;
        }
        case 'endpoint':
          options.onEndpoint?.({ instanceId: received.instanceId, state: received.state, reason: received.reason });
          return;
        case 'stats':
          waiting.shift()?.resolve(received.stats);
          return;
        case 'refused':
          // Ours and the router's idea of the protocol differ: nothing said on this connection can be relied on.
          socket.destroy(new Error(`The router refused a message: ${received.reason}`));
          return;
        default:
        // A newer router may say more; what an older agent does not know does not concern it.
      }
    });
  });
}

function clientOf(
  welcome: { readonly pid: number; readonly epoch: number; readonly version: number },
  socket: Socket,
  send: (message: AgentMessage) => void,
  waiting: { resolve(stats: RouterStats): void; reject(error: Error): void }[],
): RouterClient {
  return {
    pid: welcome.pid,
    epoch: welcome.epoch,
    version: welcome.version,
    sendTable: (table) => send({ type: 'table', table }),
    requestStatus: () => send({ type: 'status' }),
    stats: () =>
      new Promise((resolve, reject) => {
        if (!socket.writable) {
          reject(new Error('The connection to the router has ended'));
          return;
        }
        waiting.push({ resolve, reject });
        send({ type: 'stats' });
      }),
    close: () => socket.destroy(),
  };
}
