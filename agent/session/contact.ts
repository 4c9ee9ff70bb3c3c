import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { readBootId } from '../process/process-identity.ts';

interface ContactRecord {
  readonly bootId: string;
  /** Milliseconds since boot, by the kernel's monotonic clock. */
  readonly atMs: number;
}

/** Often enough for stopAfterMs, whose least value is one second above it, and not for every heartbeat. */
const writeIntervalMs = 500;

/**
 * When a controller last answered, by the kernel's monotonic clock, which all processes of one boot share: so a restart of
 * the agent does not prolong the life of workers that must stop when this node is cut off.
 */
export class Contact {
  readonly #path: string;
  readonly #onUnsaved: (error: Error) => void;
  #atMs: number;
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #isSaved = true;

  /** `onUnsaved` hears, once until it works again, that it cannot be written: an agent that starts then has an earlier one. */
  constructor(path: string, onUnsaved: (error: Error) => void) {
    this.#path = path;
    this.#onUnsaved = onUnsaved;
    this.#atMs = readContact(path) ?? bootClockMs();
  }

  /** A controller answered what was sent `agoMs` ago. `persist`: some service here must stop when cut off. */
  note(agoMs: number, persist: boolean): void {
    const nowMs = bootClockMs();
    this.#atMs = Math.max(this.#atMs, nowMs - agoMs);
    if (!persist || nowMs - this.#writtenAtMs < writeIntervalMs) return;
    this.#writtenAtMs = nowMs;
    this.#save({ bootId: readBootId(), atMs: this.#atMs });
  }

  /** A full disk must not cost the session. After a crash of the host nothing runs that it would matter for: it is not forced to disk. */
  #save(record: ContactRecord): void {
    try {
      writeFileSync(`${this.#path}.tmp`, JSON.stringify(record), { mode: 0o600 });
      renameSync(`${this.#path}.tmp`, this.#path);
      this.#isSaved = true;
    } catch (error) {
      if (this.#isSaved) this.#onUnsaved(error as Error);
      this.#isSaved = false;
    }
  }

  cutOffForMs(): number {
    return bootClockMs() - this.#atMs;
  }
}

function readContact(path: string): number | null {
  try {
    const { bootId, atMs } = JSON.parse(readFileSync(path, 'utf8')) as ContactRecord;
    return bootId === readBootId() ? Math.min(atMs, bootClockMs()) : null;
  } catch {
    return null;
  }
}

function bootClockMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
