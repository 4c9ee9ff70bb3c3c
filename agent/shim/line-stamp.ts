const NEWLINE = 0x0a;

/**
 * Puts the local time before each line of a byte stream (`2026-01-31T10:00:00: `), once per line however it arrives.
 */
export class LineStamp {
  #atLineStart = true;

  /** `now` in milliseconds since 1970. */
  apply(chunk: Buffer, now: number): Buffer {
    const stamp = Buffer.from(`${formatLocal(new Date(now))}: `);
    const parts: Buffer[] = [];
    let from = 0;
    while (from < chunk.length) {
      if (this.#atLineStart) parts.push(stamp);
      const newline = chunk.indexOf(NEWLINE, from);
      const end = newline === -1 ? chunk.length : newline + 1;
      parts.push(chunk.subarray(from, end));
      this.#atLineStart = newline !== -1;
      from = end;
    }
    return Buffer.concat(parts);
  }
}

function formatLocal(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
