import type { Fields } from './field.ts';
import {
  oneOf,
  readArguments,
  readBoolean,
  readDuration,
  readInteger,
  readNumber,
  readSize,
  readText,
  readTextList,
} from './read-value.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR2', 'SIGKILL'] as const;

/** Fields that PM2 does not have. Durations are milliseconds or texts such as "10s"; sizes are bytes or texts such as "512M". */
export const droverFields = {
  hosts: { kind: 'own', to: 'scale.hosts', means: 'A count, or "all": makes instances a count per host' },
  health: { kind: 'own', to: 'health', means: 'How an instance is asked whether it is well; a path, or an object' },
  health_check: { kind: 'own', to: 'health', means: 'The form { enable, path, interval } that some PM2 guides use' },
  update: {
    kind: 'group',
    to: 'update',
    fields: {
      order: { kind: 'set', to: 'order', read: oneOf('start-first', 'stop-first') },
      max_parallel: { kind: 'set', to: 'maxParallel', read: readInteger },
      min_healthy: { kind: 'set', to: 'minHealthyMs', read: readDuration },
      healthy_deadline: { kind: 'set', to: 'healthyDeadlineMs', read: readDuration },
      monitor: { kind: 'set', to: 'monitorMs', read: readDuration },
      max_failures: { kind: 'set', to: 'maxFailures', read: readInteger },
      failure_action: { kind: 'set', to: 'failureAction', read: oneOf('rollback', 'pause') },
      route_ack_timeout: { kind: 'set', to: 'routeAckTimeoutMs', read: readDuration },
    },
  },
  placement: {
    kind: 'group',
    to: 'placement',
    fields: {
      max_per_node: { kind: 'set', to: 'maxPerNode', read: readInteger },
      constraints: { kind: 'set', to: 'constraints', read: readTextList },
      resources: {
        kind: 'group',
        to: 'resources',
        fields: {
          cpu: { kind: 'set', to: 'cpu', read: readNumber },
          memory: { kind: 'set', to: 'memoryBytes', read: readSize },
        },
      },
      on_disconnect: { kind: 'set', to: 'onDisconnect', read: oneOf('keep', 'stop') },
      stop_after: { kind: 'set', to: 'stopAfterMs', read: readDuration },
    },
  },
  route: { kind: 'own', to: 'routes', means: 'One of routes' },
  routes: { kind: 'own', to: 'routes', means: 'Ports, or objects { port, host, path }' },
  jobs: { kind: 'own', to: 'jobs', means: 'By name, what the controllers run by the clock' },
  kill_signal: { kind: 'set', to: 'killSignal', read: oneOf(...signals) },
  drain_timeout: { kind: 'set', to: 'drainTimeoutMs', read: readDuration },
  scheduling_policy: { kind: 'set', to: 'schedulingPolicy', read: oneOf('shared', 'round-robin') },
  expect_listen: { kind: 'set', to: 'expectListen', read: readBoolean },
  dependencies: { kind: 'set', to: 'dependencies', read: oneOf('install', 'shipped', 'none') },
  logs: {
    kind: 'group',
    to: 'logs',
    fields: {
      max_size: { kind: 'set', to: 'maxFileBytes', read: readSize },
      max_files: { kind: 'set', to: 'maxFiles', read: readInteger },
      time: { kind: 'set', to: 'time', read: readBoolean },
    },
  },
} as const satisfies Fields;

/** Fields of `health` written as an object. */
export const healthFields = {
  path: { kind: 'own', to: 'probe.path', means: 'Path of an HTTP probe; the answer must be 2xx or 3xx' },
  status: { kind: 'own', to: 'probe.status', means: 'The exact status that an HTTP probe expects' },
  tcp: { kind: 'own', to: 'probe', means: 'true: accepting a connection is enough' },
  interval: { kind: 'set', to: 'intervalMs', read: readDuration },
  timeout: { kind: 'set', to: 'timeoutMs', read: readDuration },
  failures: { kind: 'set', to: 'failures', read: readInteger },
  restart_after: { kind: 'set', to: 'restartAfterMs', read: readDuration },
} as const satisfies Fields;

/** Fields of the `health_check` that guides for PM2 show. */
export const healthCheckFields = {
  enable: { kind: 'own', to: 'probe', means: 'false: no probe' },
  path: { kind: 'own', to: 'probe.path', means: 'Path of an HTTP probe' },
  interval: { kind: 'set', to: 'intervalMs', read: readDuration },
  timeout: { kind: 'set', to: 'timeoutMs', read: readDuration },
} as const satisfies Fields;

export const routeFields = {
  port: { kind: 'set', to: 'port', read: readInteger },
  host: { kind: 'set', to: 'host', read: readText },
  path: { kind: 'set', to: 'path', read: readText },
} as const satisfies Fields;

/** Fields of one job in `jobs`. */
export const jobFields = {
  schedule: { kind: 'set', to: 'schedule', read: readText },
  time_zone: { kind: 'set', to: 'timeZone', read: readText },
  overlap: { kind: 'set', to: 'overlap', read: oneOf('skip', 'queue', 'replace') },
  catch_up: { kind: 'own', to: 'catchUp', means: '"none", "last", or a time such as "10m": all ticks within it' },
  max_run: { kind: 'set', to: 'maxRunMs', read: readDuration },
  run: { kind: 'own', to: 'run', means: '{ http: { … } } calls a healthy instance; { script, … } starts a process' },
} as const satisfies Fields;

/** Fields of `run.http` of a job. */
export const httpRunFields = {
  method: { kind: 'set', to: 'method', read: oneOf('GET', 'POST', 'PUT', 'PATCH', 'DELETE') },
  path: { kind: 'set', to: 'path', read: readText },
  headers: { kind: 'own', to: 'headers', means: 'Names and values' },
  body: { kind: 'own', to: 'body', means: 'A text as it is; an object or array is sent as JSON' },
} as const satisfies Fields;

/** Fields of `run` of a job that is a process. */
export const processRunFields = {
  script: { kind: 'set', to: 'script', read: readText },
  args: { kind: 'set', to: 'args', read: readArguments },
  env: { kind: 'own', to: 'env', means: 'Laid over the env of the app' },
} as const satisfies Fields;
