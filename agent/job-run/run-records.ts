import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurably } from '../write-file-durably.ts';
import type { RunEnd } from './next-run-step.ts';

/** What is on disk of a run: that it was begun, and how it ended. */
export interface RunRecord {
  readonly state: 'begun' | 'ended';
  readonly end: RunEnd | null;
}

/**
 * Ended runs that are remembered after no plan names them any more. A controller that repeats a tick does so within
 * minutes; with a run each second this is a quarter of an hour.
 */
const keptEndedRecords = 1_000;

/** The runs that were ever begun on this host, as far as anybody could ask for them again. One small file each. */
export class RunRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Null when it was never begun here. A file that cannot be read counts as begun: better lost than twice. */
  read(runId: string): RunRecord | null {
    let text: string;
    try {
      text = readFileSync(this.#path(runId), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      return { state: 'begun', end: null };
    }
    try {
      return JSON.parse(text) as RunRecord;
    } catch {
      return { state: 'begun', end: null };
    }
  }

  /** On disk when it returns. @throws when the disk refuses: then nothing may be started. */
  write(runId: string, record: RunRecord): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    writeFileDurably(this.#path(runId), JSON.stringify(record));
  }

  /** Removes the oldest records that are not in `living`. */
  prune(living: ReadonlySet<string>): void {
    const ended = listNames(this.#directory)
      .filter((name) => name.endsWith('.json') && !living.has(name.slice(0, -'.json'.length)))
      .map((name) => join(this.#directory, name));
    if (ended.length <= keptEndedRecords) return;
    const byAge = ended
      .map((path) => ({ path, writtenAtMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
      .sort((a, b) => b.writtenAtMs - a.writtenAtMs);
    for (const { path } of byAge.slice(keptEndedRecords)) rmSync(path, { force: true });
  }

  #path(runId: string): string {
    return join(this.#directory, `${runId}.json`);
  }
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
