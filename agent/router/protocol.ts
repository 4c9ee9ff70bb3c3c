import type { Endpoint, RoutedService, RoutingTable } from '../../shared/contracts/entities.ts';

/**
 * The control protocol between an agent and its router: JSON lines in both directions over a unix socket that only the
 * router's user may open. The router serves with what it last got whether or not anybody is connected.
 *
 *   agent → router   hello, table, status, stats
 *   router → agent   welcome (once, answers hello), ack, stats, endpoint, refused
 *
 * An `ack` follows each `table` in order, and comes again, unasked, whenever `busy`, `upgraded` or `errors` change.
 */
export const routerProtocolVersion = 1;

/** How the router treats the requests of one service. Missing fields take `defaultServiceOptions`. */
export interface ServiceOptions {
  /** Other instances tried when one cannot be connected to, and replays of a safe request: at most so many in all. */
  readonly retries: number;
  readonly connectTimeoutMs: number;
  /** From the last byte of the request to the head of the response; 0 is no limit. */
  readonly responseHeaderTimeoutMs: number;
  /** Bodies of idempotent requests up to this size are kept until the response begins, so that they can be sent again. */
  readonly maxBodyBufferBytes: number;
}

export interface ConfiguredService extends RoutedService {
  readonly options?: Partial<ServiceOptions> | undefined;
}

/** A routing table as the controllers make it; a service may carry options for the router beside it. */
export interface RouterTable extends Omit<RoutingTable, 'services'> {
  readonly services: readonly ConfiguredService[];
}

export interface ListenError {
  readonly port: number;
  readonly code: string;
}

/** What the router has applied and what it still carries for instances that the table has no longer. */
export interface Acknowledgement {
  readonly epoch: number;
  readonly generation: string;
  /** Instances out of the table with HTTP requests in flight through this router; upgraded connections do not count. */
  readonly busy: readonly string[];
  /** Open upgraded connections (WebSocket) of instances out of the table. */
  readonly upgraded: Readonly<Record<string, number>>;
  /** Ports of routes that could not be bound; each is tried again until it can, or leaves the table. */
  readonly errors: readonly ListenError[];
}

export interface FailureCounts {
  /** 503: the service has no endpoint. */
  noEndpoint: number;
  /** 502: no endpoint could be connected to. */
  connect: number;
  /** 502, or a broken response: the connection ended, or what came was no valid HTTP, before the response was complete. */
  upstreamReset: number;
  /** 504: the response head did not come in time. */
  timeout: number;
  /** 4xx of the router itself: the request was not valid HTTP, or ambiguous. */
  badRequest: number;
  /** 404 of the router itself: no route for this host and path. */
  noRoute: number;
}

export type ResponseClass = '1xx' | '2xx' | '3xx' | '4xx' | '5xx';

export interface TrafficStats {
  requests: number;
  responses: Record<ResponseClass, number>;
  /** Requests in flight now, upgraded connections not counted. */
  inFlight: number;
  /** Upgraded connections open now. */
  upgraded: number;
  /** Times a request was sent to another endpoint or sent again. */
  retries: number;
}

export interface RouterStats {
  readonly epoch: number;
  readonly connections: number;
  readonly failures: FailureCounts;
  readonly services: Readonly<Record<string, TrafficStats>>;
  readonly instances: Readonly<Record<string, TrafficStats>>;
}

/** A passive verdict about one endpoint: refused connections take it out for a moment, a connection brings it back. */
export interface EndpointNotice {
  readonly instanceId: Endpoint['instanceId'];
  readonly state: 'up' | 'down';
  readonly reason: string;
}

export type AgentMessage =
  | { readonly type: 'hello'; readonly version: number }
  /** `null` changes nothing: the router keeps serving what it has, and acknowledges it. */
  | { readonly type: 'table'; readonly table: RouterTable | null }
  | { readonly type: 'status' }
  | { readonly type: 'stats' };

export type RouterMessage =
  | { readonly type: 'welcome'; readonly version: number; readonly pid: number; readonly epoch: number }
  | ({ readonly type: 'ack' } & Acknowledgement)
  | { readonly type: 'stats'; readonly stats: RouterStats }
  | ({ readonly type: 'endpoint' } & EndpointNotice)
  /** The message was not understood; nothing was changed. */
  | { readonly type: 'refused'; readonly reason: string };

export const defaultServiceOptions: ServiceOptions = {
  retries: 2,
  connectTimeoutMs: 2_000,
  responseHeaderTimeoutMs: 60_000,
  maxBodyBufferBytes: 64 * 1024,
};
