import type { Fields } from './field.ts';
import {
  oneOf,
  readArguments,
  readBoolean,
  readDuration,
  readInteger,
  readIntegerList,
  readSize,
  readText,
} from './read-value.ts';

const isOff = (value: unknown): boolean => value === false || value === 'false' || value === 0 || value === '0';
const isOn = (value: unknown): boolean => value === true || value === 'true';
const isEmpty = (value: unknown): boolean => isOff(value) || (Array.isArray(value) && value.length === 0);

const ownLogs = 'Drover writes, rotates and collects the logs of each instance itself; read them with: drover logs';
const noApm = 'Drover injects nothing into your program';

/** Every field of PM2's ecosystem file. `env_<name>` is the one pattern among them and is handled where `env` is. */
export const pm2Fields = {
  script: {
    kind: 'own',
    to: 'script',
    aliases: ['exec', 'cmd', 'command'],
    means: 'Path, command on PATH, or a shell line',
  },
  name: { kind: 'own', to: 'name', means: 'Default: the base name of the script' },
  name_prefix: { kind: 'own', to: 'name', means: 'Put before the name, with "-" between them' },
  append_env_to_name: { kind: 'own', to: 'name', means: 'With --env production the name ends in "-production"' },
  namespace: {
    kind: 'ignored',
    why: 'services have no namespaces',
    quietWhen: (value) => value === 'default' || value === '',
  },
  cwd: { kind: 'own', to: 'cwd', means: 'Below the directory of the file, or an absolute path on the nodes' },
  args: { kind: 'set', to: 'args', read: readArguments },
  interpreter: { kind: 'own', to: 'interpreter', aliases: ['exec_interpreter'], means: '"none" executes the script' },
  node_args: { kind: 'set', to: 'nodeArgs', read: readArguments, aliases: ['interpreter_args'] },
  exec_mode: { kind: 'own', to: 'execMode', means: 'fork, cluster, fork_mode or cluster_mode; default fork' },
  instances: { kind: 'own', to: 'scale.instances', means: 'A count, or "max"; 0 is "max" too' },
  execute_command: { kind: 'own', to: 'execMode', means: 'true is exec_mode fork' },
  port: { kind: 'own', to: 'routes', means: 'The route { port }: each instance listens on a PORT of its own' },
  increment_var: { kind: 'set', to: 'incrementVar', read: readText },
  instance_var: { kind: 'set', to: 'instanceVar', read: readText },
  env: { kind: 'own', to: 'env', means: 'Environment; env_<name> is laid over it with --env <name>' },
  filter_env: {
    kind: 'ignored',
    why: 'workers get only the environment that the file names, never that of your shell',
    quietWhen: isEmpty,
  },
  out_file: { kind: 'ignored', why: ownLogs, aliases: ['out', 'output', 'out_log'] },
  error_file: { kind: 'ignored', why: ownLogs, aliases: ['error', 'err', 'err_file', 'err_log'] },
  log_file: { kind: 'ignored', why: ownLogs, aliases: ['log'], quietWhen: isOff },
  pid_file: { kind: 'ignored', why: 'the agent keeps process identities itself', aliases: ['pid'] },
  merge_logs: {
    kind: 'ignored',
    why: 'logs are kept for each instance and merged when you read them',
    aliases: ['combine_logs'],
    quietWhen: () => true,
  },
  disable_logs: {
    kind: 'ignored',
    why: 'logs are always kept, within a bounded size (logs.max_size)',
    quietWhen: isOff,
  },
  log_type: {
    kind: 'ignored',
    why: 'drover logs --json prints one object per line',
    quietWhen: (value) => value === 'raw',
  },
  log_date_format: { kind: 'own', to: 'logs.time', means: 'Any format: lines are stamped, as with time: true' },
  time: { kind: 'set', to: 'logs.time', read: readBoolean },
  autostart: { kind: 'ignored', why: 'a deploy always starts the service; stop it with: drover stop', quietWhen: isOn },
  autorestart: { kind: 'set', to: 'restart.autorestart', read: readBoolean },
  restart_delay: { kind: 'set', to: 'restart.restartDelayMs', read: readDuration },
  exp_backoff_restart_delay: { kind: 'set', to: 'restart.expBackoffRestartDelayMs', read: readDuration },
  min_uptime: { kind: 'set', to: 'restart.minUptimeMs', read: readDuration },
  max_restarts: { kind: 'set', to: 'restart.maxRestarts', read: readInteger },
  stop_exit_codes: { kind: 'set', to: 'restart.stopExitCodes', read: readIntegerList },
  max_memory_restart: { kind: 'set', to: 'maxMemoryBytes', read: readSize },
  cron_restart: {
    kind: 'ignored',
    why: 'Drover does not restart on a schedule',
    aliases: ['cron'],
    quietWhen: isOff,
  },
  watch: { kind: 'ignored', why: 'a service changes by a deploy, not by a changed file', quietWhen: isEmpty },
  ignore_watch: { kind: 'ignored', why: 'files are not watched', quietWhen: () => true },
  watch_delay: { kind: 'ignored', why: 'files are not watched', quietWhen: () => true },
  watch_options: { kind: 'ignored', why: 'files are not watched', quietWhen: () => true },
  kill_timeout: { kind: 'set', to: 'killTimeoutMs', read: readDuration },
  kill_retry_time: { kind: 'ignored', why: 'the exit of a process is an event here, nothing polls for it' },
  treekill: { kind: 'set', to: 'treekill', read: readBoolean },
  shutdown_with_message: { kind: 'set', to: 'shutdownWithMessage', read: readBoolean },
  wait_ready: { kind: 'set', to: 'waitReady', read: readBoolean },
  listen_timeout: { kind: 'set', to: 'listenTimeoutMs', read: readDuration },
  force: { kind: 'ignored', why: 'deploying the same thing twice changes nothing', quietWhen: isOff },
  uid: {
    kind: 'refused',
    why: 'workers run as the user of the agent; remove it, or run the agent as that user',
    aliases: ['user'],
  },
  gid: { kind: 'refused', why: 'workers run with the group of the agent; remove it, or run the agent with that group' },
  username: { kind: 'ignored', why: 'it is only shown by PM2' },
  source_map_support: { kind: 'own', to: 'nodeArgs', means: 'true adds --enable-source-maps to node_args' },
  disable_source_map_support: { kind: 'ignored', why: 'source maps are off unless asked for', quietWhen: () => true },
  vizion: { kind: 'ignored', why: 'the revision and its artifact say what runs', quietWhen: isOff },
  pmx: { kind: 'ignored', why: noApm, quietWhen: isOff },
  automation: { kind: 'ignored', why: noApm, quietWhen: isOff },
  trace: { kind: 'ignored', why: noApm, quietWhen: isOff },
  disable_trace: { kind: 'ignored', why: noApm, quietWhen: () => true },
  v8: { kind: 'ignored', why: noApm, quietWhen: isOff },
  event_loop_inspector: { kind: 'ignored', why: noApm, quietWhen: isOff },
  deep_monitoring: { kind: 'ignored', why: noApm, quietWhen: isOff },
  io: { kind: 'ignored', why: noApm },
  post_update: { kind: 'ignored', why: 'there is no pull; dependencies are installed on each node by npm ci' },
  install_url: { kind: 'ignored', why: 'there are no modules' },
  windowsHide: { kind: 'ignored', why: 'it has no meaning on Linux', quietWhen: () => true },
  write: { kind: 'ignored', why: 'the file is never written', quietWhen: isOff },
} as const satisfies Fields;

/** PM2 takes both spellings of each mode. */
export const readExecMode = oneOf('fork', 'cluster', 'fork_mode', 'cluster_mode');
