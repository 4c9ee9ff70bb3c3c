import { join } from 'node:path';
import type { Logger } from '../../shared/runtime/logger.ts';
import type { DataPaths } from '../data-paths.ts';
import { readRouterConfig } from '../router/config.ts';
import { findRouter } from '../router/launch.ts';
import { stopRouter } from '../stop-everything.ts';

/**
 * Ends the router that an earlier agent of this host has left, unless it listens where this one wants it (`listen`; undefined
 * is nowhere). Left alone it would serve its last table for ever, or be told of as listening where it does not.
 */
export async function stopOtherRouter(
  paths: Pick<DataPaths, 'router'>,
  listen: string | undefined,
  logger: Logger,
): Promise<void> {
  const running = findRouter(paths.router);
  if (running === null) return;
  const listensAt = readListen(paths.router);
  // Not knowing is no reason to cut connections.
  if (listen !== undefined && (listensAt === listen || listensAt === null)) return;
  logger.warn('the router of an earlier agent is stopped', {
    pid: running.pid,
    listen: listensAt,
    wanted: listen ?? null,
  });
  await stopRouter(paths);
}

function readListen(stateDirectory: string): string | null {
  try {
    return readRouterConfig(join(stateDirectory, 'router-config.json')).listen;
  } catch {
    return null;
  }
}
