import type { CommandDefinition } from './command.ts';

/**
 * Every command, in the order of the help: set up, deploy, look, change, hosts. Each is loaded when it is needed: to load all of
 * them takes longer than most of them run, and a program such as the agent would keep what it never uses.
 */
const table: Readonly<Record<string, () => Promise<CommandDefinition>>> = {
  up: async () => (await import('./commands/up.ts')).up,
  'controller start': async () => (await import('./commands/controller-start.ts')).controllerStart,
  'agent join': async () => (await import('./commands/agent-join.ts')).agentJoin,
  'token create': async () => (await import('./commands/token-create.ts')).tokenCreate,
  'token ls': async () => (await import('./commands/token-ls.ts')).tokenLs,
  'token revoke': async () => (await import('./commands/token-revoke.ts')).tokenRevoke,
  preflight: async () => (await import('./commands/preflight.ts')).preflight,
  plan: async () => (await import('./commands/plan.ts')).plan,
  deploy: async () => (await import('./commands/deploy.ts')).deploy,
  ls: async () => (await import('./commands/ls.ts')).ls,
  describe: async () => (await import('./commands/describe.ts')).describe,
  logs: async () => (await import('./commands/logs.ts')).logs,
  events: async () => (await import('./commands/events.ts')).events,
  scale: async () => (await import('./commands/scale.ts')).scale,
  reload: async () => (await import('./commands/reload.ts')).reload,
  restart: async () => (await import('./commands/restart.ts')).restart,
  stop: async () => (await import('./commands/stop.ts')).stop,
  start: async () => (await import('./commands/start.ts')).start,
  delete: async () => (await import('./commands/delete.ts')).deleteCommand,
  rollback: async () => (await import('./commands/rollback.ts')).rollback,
  'node ls': async () => (await import('./commands/node-ls.ts')).nodeLs,
  'node drain': async () => (await import('./commands/node-drain.ts')).nodeDrain,
  'node undrain': async () => (await import('./commands/node-undrain.ts')).nodeUndrain,
  'node rm': async () => (await import('./commands/node-rm.ts')).nodeRm,
  'lock ls': async () => (await import('./commands/lock-ls.ts')).lockLs,
  'lock break': async () => (await import('./commands/lock-break.ts')).lockBreak,
  'cron ls': async () => (await import('./commands/cron-ls.ts')).cronLs,
  'cron history': async () => (await import('./commands/cron-history.ts')).cronHistory,
  'cron run': async () => (await import('./commands/cron-run.ts')).cronRun,
  'cron pause': async () => (await import('./commands/cron-pause.ts')).cronPause,
  'cron resume': async () => (await import('./commands/cron-resume.ts')).cronResume,
  'port ls': async () => (await import('./commands/port-ls.ts')).portLs,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
};

/** All commands, in the order of the help. */
export function loadCommands(): Promise<CommandDefinition[]> {
  return Promise.all(Object.values(table).map((load) => load()));
}

/**
 * The command that the words name, if they begin with its name; otherwise (an alias, an option first, a mistake, a question for
 * help) all of them, among which the parser decides.
 */
export async function loadCommandsFor([first = '', second = '']: readonly string[]): Promise<CommandDefinition[]> {
  const found = Object.entries(table).find(([name]) => name === first || name === `${first} ${second}`);
  return found === undefined ? loadCommands() : [await found[1]()];
}
