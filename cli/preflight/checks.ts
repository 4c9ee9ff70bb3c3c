import { callbacks } from './checks/callbacks.ts';
import { listening } from './checks/listening.ts';
import { localFiles } from './checks/local-files.ts';
import { memoryState } from './checks/memory-state.ts';
import { middleware } from './checks/middleware.ts';
import { schedules } from './checks/schedules.ts';
import { sockets } from './checks/sockets.ts';
import type { Check } from './finding.ts';

export const checks: readonly Check[] = [
  ...[schedules, middleware, memoryState, sockets, localFiles, callbacks, listening],
];
