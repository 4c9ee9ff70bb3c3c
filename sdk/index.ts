/** What a service imports: `import { connect } from 'drover'`. */

export { DroverError, isDroverError } from '../shared/contracts/drover-error.ts';
export type { ErrorCode } from '../shared/contracts/error-code.ts';
export type { CallbackAnswer, CallbackResponse } from '../shared/coordination/callback/callback-answer.ts';
export type { CallbackCall } from '../shared/coordination/callback/callback-call.ts';
export type { CallbackHandler, CallbackRun, ReconcileCallback } from '../shared/coordination/callback/callback-run.ts';
export type { CallbackResult, Callbacks, CallbacksOptions } from '../shared/coordination/callback/callbacks.ts';
export { createOutbox, type Outbox, type OutboxMessage } from '../shared/coordination/callback/outbox.ts';
export { createOutboxRelay, type OutboxRelay } from '../shared/coordination/callback/outbox-relay.ts';
export { type CallbackTable, createSqlCallbackTable } from '../shared/coordination/callback/sql-callback-table.ts';
export type { Consumer } from '../shared/coordination/channel/consumer.ts';
export type { Direct } from '../shared/coordination/channel/direct.ts';
export type { Inbox } from '../shared/coordination/channel/inbox.ts';
export type { Presence, PresenceEvent } from '../shared/coordination/channel/presence.ts';
export type { Stream } from '../shared/coordination/channel/stream.ts';
export type { Gap, Subscription, Topic } from '../shared/coordination/channel/topic.ts';
export { claimRunRow, createRunTable } from '../shared/coordination/cron/claim-run-row.ts';
export type { CronHandler, CronJob, CronOptions, CronRun, CronSchedule } from '../shared/coordination/cron/cron-job.ts';
export type { ServiceAddress } from '../shared/coordination/discovery/discovery.ts';
export type { Election } from '../shared/coordination/election/election.ts';
export { fenceHeader, fenceHeaderName, parseFenceHeader } from '../shared/coordination/fence/fence-header.ts';
export type { FenceStore } from '../shared/coordination/fence/fence-store.ts';
export { type FencedScript, fencedScript } from '../shared/coordination/fence/fenced-script.ts';
export { createMemoryFenceStore } from '../shared/coordination/fence/memory-fence-store.ts';
export { createRedisFenceStore } from '../shared/coordination/fence/redis-fence-store.ts';
export { reseedEpoch } from '../shared/coordination/fence/reseed-epoch.ts';
export { createSqlFence, guardRow, type SqlFence } from '../shared/coordination/fence/sql-fence.ts';
export type { HeldLock } from '../shared/coordination/lock/held-lock.ts';
export type { LockOptions, Locks, Semaphore, SharedOptions } from '../shared/coordination/lock/locks.ts';
export type { QuorumLock } from '../shared/coordination/lock/quorum-lock.ts';
export type { PortAllocation, PortPools, PortPoolsOptions } from '../shared/coordination/port-pool/port-pools.ts';
export {
  fromPgClient,
  fromPgPool,
  fromSqlite,
  type SqlDatabase,
  type SqlExecutor,
} from '../shared/coordination/sql.ts';
export { connect } from './connect.ts';
export type { ConnectOptions } from './connect-options.ts';
export type { Drover } from './drover.ts';
