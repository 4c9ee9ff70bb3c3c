import type { CommandDefinition } from './command.ts';
import { agentJoin } from './commands/agent-join.ts';
import { controllerStart } from './commands/controller-start.ts';
import { deleteCommand } from './commands/delete.ts';
import { deploy } from './commands/deploy.ts';
import { describe } from './commands/describe.ts';
import { doctor } from './commands/doctor.ts';
import { events } from './commands/events.ts';
import { logs } from './commands/logs.ts';
import { ls } from './commands/ls.ts';
import { nodeDrain } from './commands/node-drain.ts';
import { nodeLs } from './commands/node-ls.ts';
import { nodeRm } from './commands/node-rm.ts';
import { nodeUndrain } from './commands/node-undrain.ts';
import { plan } from './commands/plan.ts';
import { reload } from './commands/reload.ts';
import { restart } from './commands/restart.ts';
import { rollback } from './commands/rollback.ts';
import { scale } from './commands/scale.ts';
import { start } from './commands/start.ts';
import { stop } from './commands/stop.ts';
import { tokenCreate } from './commands/token-create.ts';
import { tokenLs } from './commands/token-ls.ts';
import { tokenRevoke } from './commands/token-revoke.ts';
import { up } from './commands/up.ts';

/** Every command, in the order of the help: set up, deploy, look, change, hosts. */
export const commands: readonly CommandDefinition[] = [
  up,
  controllerStart,
  agentJoin,
  tokenCreate,
  tokenLs,
  tokenRevoke,
  plan,
  deploy,
  ls,
  describe,
  logs,
  events,
  scale,
  reload,
  restart,
  stop,
  start,
  deleteCommand,
  rollback,
  nodeLs,
  nodeDrain,
  nodeUndrain,
  nodeRm,
  doctor,
];
