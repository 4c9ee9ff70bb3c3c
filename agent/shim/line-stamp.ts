const NEWLINE = 0x0a;

/**
 * Puts the instant before each line of a byte stream (`2026-01-31T10:00:00Z: `), once per line however it arrives. In UTC,
 * because lines of hosts in different zones are read together; but for the Z it looks as PM2's `time: true` does.
 */
export class LineStamp {
  #atLineStart = true;

  /** `now` in milliseconds since 1970. */
  apply(chunk: Buffer, now: number): Buffer {
    const stamp = Buffer.from(`${new Date(now).toISOString().slice(0, 'YYYY-MM-DDTHH:mm:ss'.length)}Z: `);
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
