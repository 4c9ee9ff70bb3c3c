import { join } from 'node:path';
import type { LogChunk, LogQuery } from '../../shared/contracts/agent-session.ts';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { idSchema } from '../../shared/contracts/entities.ts';
import { serviceNameSchema } from '../../shared/contracts/spec.ts';
import type { DataPaths } from '../data-paths.ts';
import { readLogs } from './read-logs.ts';

/**
 * Answers a controller's question for log lines.
 *
 * @throws DroverError ARGUMENT_INVALID when a name is none: it would become part of a path.
 */
export async function answerLogs(query: LogQuery, paths: Pick<DataPaths, 'serviceLogs'>): Promise<LogChunk> {
  const { service, instanceId, stream, position, file, lines } = query;
  if (!idSchema.safeParse(instanceId).success || !serviceNameSchema.safeParse(service).success) {
    throw new DroverError('ARGUMENT_INVALID', 'The names of service and instance must be of the usual form');
  }
  return readLogs({ path: join(paths.serviceLogs(service), `${instanceId}.${stream}.log`), position, file, lines });
}
