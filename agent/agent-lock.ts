import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { DroverError } from '../shared/contracts/drover-error.ts';
import type { DataPaths } from './data-paths.ts';
import { type ProcessIdentity, readProcessIdentity } from './process/process-identity.ts';
import { writeFileDurably } from './write-file-durably.ts';

export interface AgentLock {
  release(): Promise<void>;
}

/**
 * Makes this process the only agent of its data directory. The lock is a socket name in the kernel, which frees it at the
 * very end of the process, however that comes; `agent.json` only tells people and `stopEverything` who holds it, so that a
 * full disk, which `onUnrecorded` hears of, keeps no agent from its work.
 *
 * @throws DroverError NODE_ALREADY_JOINED when another agent runs there.
 */
export async function acquireAgentLock(paths: DataPaths, onUnrecorded: (error: Error) => void): Promise<AgentLock> {
  const server = createServer((socket) => socket.destroy());
  const name = createHash('sha256').update(paths.root).digest('hex').slice(0, 32);
  server.listen(`\0drover-agent-${name}`);
  try {
    await once(server, 'listening');
  } catch (error) {
    const holder = readAgentRecord(paths);
    throw new DroverError(
      'NODE_ALREADY_JOINED',
      `An agent runs on ${paths.root} already${holder === null ? '' : ` (pid ${holder.pid})`}. ` +
        'This host needs no second one; for a test on one host give each agent its own --data',
      { cause: error },
    );
  }
  server.unref();
  try {
    writeFileDurably(paths.agent, JSON.stringify(readProcessIdentity(process.pid)));
  } catch (error) {
    onUnrecorded(error as Error);
  }
  return {
    async release() {
      rmSync(paths.agent, { force: true });
      server.close();
      await once(server, 'close');
    },
  };
}

/** The agent that last held the lock; it may have ended. */
export function readAgentRecord(paths: Pick<DataPaths, 'agent'>): ProcessIdentity | null {
  try {
    return JSON.parse(readFileSync(paths.agent, 'utf8')) as ProcessIdentity | null;
  } catch {
    return null;
  }
}
