import { type Clock, systemClock } from './clock.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one line per call. Fields whose names speak of secrets are blanked, at any depth, and so are passwords in URLs. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose lines also carry `bindings`. */
  child(bindings: LogFields): Logger;
}

export interface LoggerOptions {
  readonly stream: { write(line: string): unknown; readonly isTTY?: boolean };
  /** Lines below it are dropped. Default info. */
  readonly level?: LogLevel;
  /** Plain text for people in place of JSON. Default: when the stream is a terminal. */
  readonly pretty?: boolean;
  readonly bindings?: LogFields;
  readonly clock?: Pick<Clock, 'nowMs'>;
}

export function createLogger(options: LoggerOptions): Logger {
  const { stream, level = 'info', pretty = stream.isTTY === true, bindings = {}, clock = systemClock } = options;
  const render = pretty ? renderText : renderJson;

  function write(lineLevel: LogLevel, message: string, fields: LogFields = {}): void {
    if (logLevels.indexOf(lineLevel) < logLevels.indexOf(level)) return;
    const at = new Date(clock.nowMs()).toISOString();
    const shown = redact({ ...bindings, ...fields }, 0) as LogFields;
    stream.write(`${render(at, lineLevel, redactText(message), shown)}\n`);
  }

  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
    child: (more) => createLogger({ ...options, bindings: { ...bindings, ...more } }),
  };
}

/** For callers that were given no logger. */
export const silentLogger: Logger = createLogger({ stream: { write: () => {} }, pretty: false });

function renderJson(at: string, level: LogLevel, message: string, fields: LogFields): string {
  return JSON.stringify({ at, level, message, ...fields });
}

function renderText(at: string, level: LogLevel, message: string, fields: LogFields): string {
  const rest = Object.entries(fields).map(([name, value]) => {
    return ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
  });
  return `${at.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${message}${rest.join('')}`;
}

/** Deep enough for any record of ours; beyond it lies a cycle or somebody's internals. */
const maxDepth = 6;
const secretName = /token|secret|password|authorization|^env$/i;
const blank = '[redacted]';

function redact(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth === maxDepth) return '[deeper]';
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  const entries = Object.entries(value instanceof Error ? describeError(value) : value);
  return Object.fromEntries(
    entries.map(([name, item]) => [name, secretName.test(name) ? blank : redact(item, depth + 1)]),
  );
}

function describeError(error: Error): LogFields {
  const { name, message, stack, cause } = error;
  return { ...error, name, message, stack, ...(cause === undefined ? {} : { cause }) };
}

function redactText(text: string): string {
  return text.replace(/(:\/\/[^\s/:@]*):[^\s/@]+@/g, `$1:${blank}@`);
}
