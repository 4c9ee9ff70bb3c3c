import type { IncomingMessage } from 'node:http';
import type { FailureCounts } from './protocol.ts';
import type { RequestHead } from './request-head.ts';
import type { RoutedResponse } from './routed-response.ts';
import type { Service } from './service.ts';

/** Something with a deadline that one timer looks after together with all others. */
export interface Timed {
  /** Monotonic, ms; infinity when nothing is waited for. */
  readonly deadlineAt: number;
  onDeadline(): void;
}

/** What exchanges share. */
export interface ExchangeContext {
  readonly failures: FailureCounts;
  /** The exchanges that are not over. */
  readonly active: Set<Timed>;
  /** Answers tell the clients to close their connection: the router is about to leave. */
  isDraining: boolean;
  nowMs(): number;
}

export interface ExchangeInput {
  readonly request: IncomingMessage;
  readonly response: RoutedResponse;
  readonly service: Service;
  readonly head: RequestHead;
  /** The client waits for 100 Continue before it sends the body. */
  readonly expectContinue: boolean;
  /** The bytes after an upgrade request; null for a plain request. */
  readonly upgradeBytes: Buffer | null;
}
