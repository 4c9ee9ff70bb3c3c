import type { ErrorCode } from '../../shared/contracts/error-code.ts';

/** What to do about each error, in one line. A code without a row does not compile. */
export const errorAdvice = {
  ARGUMENT_INVALID: 'Correct the fields that `issues` names; each says what is allowed.',
  FILE_INVALID: 'Correct every place that the message lists; [ecosystem.md](ecosystem.md) has all fields.',
  FILE_UNREADABLE: 'Check the path and its permissions.',
  TOKEN_MISSING: 'Give `--token-file`, or set `DROVER_TOKEN`; on the host of `drover up` the token is remembered.',
  TOKEN_INVALID: 'Use `admin-token` from the data directory of the first controller.',
  CERTIFICATE_INVALID: 'Remove the identity of the host and join it again with a new token.',
  JOIN_TOKEN_INVALID: 'Make a new one with `drover token create`.',
  CA_MISMATCH:
    'Check the URL. If it is right, somebody is in between, or the token is of another cluster: do not go on.',
  ROUTE_NOT_FOUND: 'See `/openapi.json` or [api.md](api.md) for what there is.',
  SERVICE_NOT_FOUND: '`drover ls` shows the names.',
  REVISION_NOT_FOUND: '`drover describe <service>` lists the revisions that are kept.',
  DEPLOYMENT_NOT_FOUND: '`GET /v1/deployments` lists them.',
  INSTANCE_NOT_FOUND: '`drover ls --instances --all` shows those that are remembered.',
  NODE_NOT_FOUND: '`drover node ls` shows ids and names.',
  TOKEN_NOT_FOUND: '`drover token ls` shows the ids.',
  ARTIFACT_NOT_FOUND: 'Deploy again: the CLI uploads what is missing.',
  REVISION_CONFLICT: 'Somebody deployed meanwhile: look at `drover describe <service>`, then deploy again.',
  IDEMPOTENCY_MISMATCH: 'Use a new key for a new request.',
  STATE_CONFLICT: 'The message says which state is in the way; wait for it to end, or end it.',
  NODE_ALREADY_JOINED: 'One agent per host: stop the other one, or for a test give each its own `--data`.',
  ARTIFACT_MISMATCH: 'Upload again; if it stays so, something between client and controller changes the bytes.',
  ARTIFACT_TOO_LARGE: 'Leave out what the service does not need with `.droverignore`.',
  PLACEMENT_IMPOSSIBLE: 'The message counts the nodes by what each lacks: add a node, or ask for less.',
  DEPLOYMENT_ROLLED_BACK:
    'Nothing to repair: the old revision runs. Read the reason and the last log lines, then deploy again.',
  DEPLOYMENT_FAILED:
    'Look at `drover describe <service>`; then deploy a repaired version, or `drover rollback <service>`.',
  LEASE_LOST: 'Nothing: another controller leads, and the work goes on there.',
  NODE_UNREACHABLE: 'See whether the agent runs on that host and reaches a controller.',
  STORE_UNREACHABLE: 'Start Redis, or repair the way to it. Nothing has to be restarted afterwards.',
  CONTROLLER_UNREACHABLE: 'Check `--url` and that a controller runs there; `drover doctor` tries each.',
  REQUIREMENT_MISSING: 'The message names the program, port or permission that is missing.',
  INTERNAL: 'Please report it, with the request id and the lines of the log that carry it.',
} as const satisfies Record<ErrorCode, string>;
