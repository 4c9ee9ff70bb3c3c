import { appendFileSync, renameSync, statSync } from 'node:fs';

/** Size at which the log is put aside as `<path>.1` and begun anew: with both, all that a router ever keeps on disk of it. */
const maxLogBytes = 1024 * 1024;
/** An error may carry a stack of any length; a longer line is cut off. */
const maxLineBytes = 16 * 1024;

/**
 * Returns a function that appends events to the log at `path`, one JSON object per line. The log never takes more than twice
 * `maxBytes`, whatever fails how often. A log that cannot be written is done without: serving goes on.
 */
export function openRouterLog(
  path: string,
  maxBytes = maxLogBytes,
): (event: string, fields: Record<string, unknown>) => void {
  let size = sizeOf(path);
  return (event, fields) => {
    const line = `${JSON.stringify({ at: Date.now(), event, ...fields }).slice(0, maxLineBytes)}\n`;
    try {
      if (size + line.length > maxBytes) {
        renameSync(path, `${path}.1`);
        size = 0;
      }
      appendFileSync(path, line, { mode: 0o600 });
      size += Buffer.byteLength(line);
    } catch {
      // A full disk, for one.
    }
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
