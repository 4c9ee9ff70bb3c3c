/**
 * The registry of errors: one row per code. `status` is the HTTP status, `exit` the exit code of the CLI, `retryable`
 * says whether the same call may succeed later without any change. Docs and OpenAPI are generated from this table.
 */
export interface ErrorRow {
  readonly status: number;
  readonly exit: number;
  readonly retryable: boolean;
  readonly summary: string;
}

export const errorRegistry = {
  ARGUMENT_INVALID: {
    status: 400,
    exit: 1,
    retryable: false,
    summary: 'A field or argument does not fit the contract.',
  },
  FILE_INVALID: {
    status: 400,
    exit: 1,
    retryable: false,
    summary: 'An ecosystem or service file does not fit the contract.',
  },
  FILE_UNREADABLE: { status: 400, exit: 1, retryable: false, summary: 'A file or directory cannot be read.' },
  TOKEN_MISSING: { status: 401, exit: 1, retryable: false, summary: 'The request carries no bearer token.' },
  TOKEN_INVALID: {
    status: 401,
    exit: 1,
    retryable: false,
    summary: 'The bearer token is unknown, expired or revoked.',
  },
  CERTIFICATE_INVALID: {
    status: 401,
    exit: 1,
    retryable: false,
    summary: 'The client certificate is missing, not of this cluster, or its node was removed.',
  },
  JOIN_TOKEN_INVALID: {
    status: 401,
    exit: 1,
    retryable: false,
    summary: 'The join token is malformed, unknown, expired, used up or revoked.',
  },
  CA_MISMATCH: {
    status: 401,
    exit: 1,
    retryable: false,
    summary: 'The controller shows a certificate authority other than the one the token names.',
  },
  ROUTE_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No operation has this method and path.' },
  SERVICE_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No service has this name.' },
  REVISION_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'The service has no such revision.' },
  DEPLOYMENT_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No deployment has this id.' },
  INSTANCE_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No instance has this id.' },
  NODE_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No node has this id or name.' },
  TOKEN_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No join token has this id.' },
  ARTIFACT_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No artifact has this digest.' },
  REVISION_CONFLICT: {
    status: 409,
    exit: 6,
    retryable: false,
    summary: 'The service has moved on from the revision that the request was made for.',
  },
  IDEMPOTENCY_MISMATCH: {
    status: 409,
    exit: 6,
    retryable: false,
    summary: 'The idempotency key was used before with another request.',
  },
  STATE_CONFLICT: {
    status: 409,
    exit: 6,
    retryable: false,
    summary: 'The thing is in a state that does not allow the operation.',
  },
  NODE_ALREADY_JOINED: { status: 409, exit: 6, retryable: false, summary: 'This host is a node of a cluster already.' },
  ARTIFACT_MISMATCH: {
    status: 422,
    exit: 1,
    retryable: false,
    summary: 'The uploaded bytes do not have the digest that was announced.',
  },
  ARTIFACT_TOO_LARGE: {
    status: 413,
    exit: 1,
    retryable: false,
    summary: 'The artifact is larger than the cluster accepts.',
  },
  PLACEMENT_IMPOSSIBLE: {
    status: 422,
    exit: 3,
    retryable: false,
    summary: 'No node can take an instance as the spec demands.',
  },
  DEPLOYMENT_ROLLED_BACK: {
    status: 422,
    exit: 4,
    retryable: false,
    summary: 'The deployment failed and the service is back on its earlier revision.',
  },
  DEPLOYMENT_FAILED: {
    status: 422,
    exit: 5,
    retryable: false,
    summary: 'The deployment failed and was not rolled back.',
  },
  LEASE_LOST: {
    status: 409,
    exit: 6,
    retryable: true,
    summary: 'What was held (a lease, lock, permit, term or run) is no longer held by the caller.',
  },
  LOCK_TIMEOUT: { status: 409, exit: 6, retryable: true, summary: 'The lock was not to be had within the wait time.' },
  LOCK_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'Nobody holds a lock of this name.' },
  FENCE_STALE: {
    status: 412,
    exit: 6,
    retryable: false,
    summary: 'The fencing token is lower than one that the resource has seen: a later holder is at work.',
  },
  CRON_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No cron job has this name.' },
  CRON_CONFLICT: {
    status: 409,
    exit: 6,
    retryable: false,
    summary: 'The cron job was declared before with another schedule.',
  },
  CALLBACK_IN_PROGRESS: {
    status: 409,
    exit: 6,
    retryable: true,
    summary: 'The same callback is being processed at this moment.',
  },
  CALLBACK_MISMATCH: {
    status: 422,
    exit: 6,
    retryable: false,
    summary: 'A callback with this key came before with another body.',
  },
  CALLBACK_UNRECONCILED: {
    status: 503,
    exit: 6,
    retryable: true,
    summary: 'An earlier attempt of the callback ended without a result, and whether it took effect is not yet known.',
  },
  CALLBACK_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No callback has this scope and key.' },
  POOL_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'The host has no port pool of this name.' },
  POOL_CONFLICT: {
    status: 409,
    exit: 6,
    retryable: false,
    summary: 'The pool was declared before with another range, or its range overlaps another pool of the host.',
  },
  PORTS_EXHAUSTED: {
    status: 409,
    exit: 6,
    retryable: true,
    summary: 'A port pool has not enough free ports for the request; nothing was allocated.',
  },
  ALLOCATION_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No port allocation has this id.' },
  CHANNEL_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'No channel has this name.' },
  JOB_NOT_FOUND: { status: 404, exit: 1, retryable: false, summary: 'The service declares no job of this name.' },
  NODE_UNREACHABLE: { status: 503, exit: 1, retryable: true, summary: 'The node is not connected to any controller.' },
  STORE_UNREACHABLE: {
    status: 503,
    exit: 7,
    retryable: true,
    summary: 'Redis cannot be reached. Workers and routes go on; changes wait.',
  },
  CONTROLLER_UNREACHABLE: { status: 503, exit: 7, retryable: true, summary: 'No controller answers.' },
  REQUIREMENT_MISSING: {
    status: 500,
    exit: 1,
    retryable: false,
    summary: 'A program or permission that is needed is not there.',
  },
  INTERNAL: { status: 500, exit: 1, retryable: false, summary: 'A defect in Drover.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorRegistry;
