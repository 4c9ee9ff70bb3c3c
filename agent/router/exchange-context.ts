import type { ClientConnection } from './client-connection.ts';
import type { FailureCounts } from './protocol.ts';
import type { RequestHead } from './request-head.ts';
import type { Service } from './service.ts';

/** What exchanges share. */
export interface ExchangeContext {
  readonly failures: FailureCounts;
  nowMs(): number;
}

export interface ExchangeInput {
  readonly client: ClientConnection;
  readonly service: Service;
  readonly head: RequestHead;
}
