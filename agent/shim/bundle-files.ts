import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExitRecord, WorkerRecord } from './protocol.ts';

/**
 * Past this size the exit records start over, and one older file is kept: about 1,000 exits each with their last lines.
 */
const MAX_EXITS_BYTES = 4 * 1024 * 1024;

/** Where everything of one bundle directory is. */
export function bundlePaths(directory: string) {
  return {
    bundle: join(directory, 'bundle.json'),
    shim: join(directory, 'shim.json'),
    shimLog: join(directory, 'shim.log'),
    workers: join(directory, 'workers'),
    exits: join(directory, 'exits.jsonl'),
  };
}

/** Writes whole or not at all: a reader, or a crash, never meets half a file. Mode 0600. */
export function writeJsonFile(path: string, value: unknown): void {
  const temporary = `${path}.tmp`;
  writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
  renameSync(temporary, path);
}

/** Null when the file is missing or is not JSON. The shape is the writer's promise. */
export function readJsonFile<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return null;
  }
}

export function writeWorkerRecord(directory: string, record: WorkerRecord): void {
  const { workers } = bundlePaths(directory);
  mkdirSync(workers, { recursive: true, mode: 0o700 });
  writeJsonFile(workerRecordPath(directory, record.instanceId), record);
}

export function removeWorkerRecord(directory: string, instanceId: string): void {
  rmSync(workerRecordPath(directory, instanceId), { force: true });
}

export function appendExitRecord(directory: string, record: ExitRecord): void {
  const { exits } = bundlePaths(directory);
  if ((statSync(exits, { throwIfNoEntry: false })?.size ?? 0) > MAX_EXITS_BYTES) renameSync(exits, `${exits}.1`);
  // The one before may have been cut short by a full disk, and must not take this one with it.
  appendFileSync(exits, `\n${JSON.stringify(record)}\n`, { mode: 0o600 });
}

function workerRecordPath(directory: string, instanceId: string): string {
  return join(bundlePaths(directory).workers, `${instanceId}.json`);
}
