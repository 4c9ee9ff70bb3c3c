import picocolors from 'picocolors';

export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export type Colors = ReturnType<typeof picocolors.createColors>;

/** Where a command prints: results on standard output, everything else on standard error. */
export interface Output {
  /** Results are JSON. */
  readonly json: boolean;
  /** Standard output is a terminal, so lines may be redrawn. */
  readonly isTerminal: boolean;
  /** Width to fit; unbounded where nobody looks at it as lines. */
  readonly columns: number;
  readonly colors: Colors;
  line(text?: string): void;
  /** One JSON document on one line. */
  object(value: unknown): void;
  /** For people: warnings and progress, which must not mix with a result that is piped on. */
  note(text: string): void;
  write(text: string): void;
}

/** A terminal that does not tell its width, or tells 0, has that of a VT100. */
const defaultColumns = 80;

export function createOutput(
  stdout: OutputStream,
  stderr: OutputStream,
  { json, color }: { json: boolean; color: boolean },
): Output {
  const isTerminal = stdout.isTTY === true && !json;
  return {
    json,
    isTerminal,
    columns: stdout.isTTY === true ? stdout.columns || defaultColumns : Number.POSITIVE_INFINITY,
    colors: picocolors.createColors(color && stdout.isTTY === true),
    line: (text = '') => void stdout.write(`${text}\n`),
    object: (value) => void stdout.write(`${JSON.stringify(value)}\n`),
    note: (text) => void stderr.write(`${text}\n`),
    write: (text) => void stdout.write(text),
  };
}
