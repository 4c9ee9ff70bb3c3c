import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** One operation of one process. What has no answer stays open for ever: it may have taken effect at any time, or never. */
export interface Operation {
  readonly process: string;
  readonly id: string;
  readonly type: 'acquire' | 'assert' | 'release' | 'write';
  readonly key: string;
  /** Microseconds of the machine's monotonic clock, which is one for all processes. */
  readonly invokeAt: number;
  /** Infinity when there was no answer. */
  readonly completeAt: number;
  readonly outcome: 'ok' | 'fail' | 'info';
  /** Of the hold that was acquired, asserted, released or written under; undefined when it never came to be known. */
  readonly epoch: number | undefined;
  /** What was acquired, where several kinds contend for one key. */
  readonly share?: Share;
}

export type Share = 'read' | 'write' | 'permit';

/** The end of a hold as its holder was told it. */
export interface Loss {
  readonly process: string;
  readonly key: string;
  readonly epoch: number;
  readonly reason: string;
  readonly at: number;
  /** Wall clock in ms, which is the clock by which Redis ends keys. */
  readonly wallMs: number;
  /** Wall clock at the last assertion that passed, where the holder kept asserting. */
  readonly assertedMs?: number;
}

export interface History {
  readonly operations: readonly Operation[];
  readonly losses: readonly Loss[];
}

export type Line =
  | { phase: 'invoke'; process: string; id: string; type: Operation['type']; key: string; at: number; epoch?: number }
  | { phase: 'ok' | 'fail' | 'info' | 'void'; id: string; at: number; epoch?: number; share?: Share }
  | ({ phase: 'loss' } & Loss);

/** Microseconds of CLOCK_MONOTONIC: comparable among all processes of one machine. */
export function machineMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

export type Outcome = Operation['outcome'] | 'void';

export interface Recorder {
  /** Records that an operation begins, before it is sent; returns how to record its end. `void`: it says nothing. */
  invoke(
    type: Operation['type'],
    key: string,
    epoch?: number,
  ): (outcome: Outcome, epoch?: number, share?: Share) => void;
  /** An operation that took no time: a look at the own clock. */
  instant(type: Operation['type'], key: string, outcome: 'ok' | 'fail', epoch: number, at: number): void;
  lose(key: string, epoch: number, reason: string, more?: Partial<Pick<Loss, 'wallMs' | 'assertedMs'>>): void;
  close(): void;
}

/** Writes each line to the file before it returns, so that a history survives the SIGKILL of the process that makes it. */
export function openRecorder(file: string, processName: string): Recorder {
  const descriptor = openSync(file, 'a');
  const append = (line: Line) => void writeSync(descriptor, `${JSON.stringify(line)}\n`);
  let count = 0;
  const nextId = () => `${processName}-${++count}`;
  return {
    invoke(type, key, epoch) {
      const id = nextId();
      const known = epoch === undefined ? {} : { epoch };
      append({ phase: 'invoke', process: processName, id, type, key, at: machineMicros(), ...known });
      return (outcome, learned, share) => {
        const more = {
          ...(learned === undefined ? {} : { epoch: learned }),
          ...(share === undefined ? {} : { share }),
        };
        append({ phase: outcome, id, at: machineMicros(), ...more });
      };
    },
    instant(type, key, outcome, epoch, at) {
      const id = nextId();
      append({ phase: 'invoke', process: processName, id, type, key, at, epoch });
      append({ phase: outcome, id, at });
    },
    lose(key, epoch, reason, more = {}) {
      const at = machineMicros();
      append({ phase: 'loss', process: processName, key, epoch, reason, at, wallMs: Date.now(), ...more });
    },
    close: () => closeSync(descriptor),
  };
}

/** All histories in `directory`, in order of invocation. A last line that a kill cut short is left out. */
export function readHistory(directory: string): History {
  const files = readdirSync(directory).filter((name) => name.endsWith('.jsonl'));
  return joinLines(files.flatMap((name) => parseLines(readFileSync(join(directory, name), 'utf8'))));
}

function parseLines(text: string): Line[] {
  const complete = text.slice(0, text.lastIndexOf('\n') + 1);
  return complete
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

export function joinLines(lines: readonly Line[]): History {
  const operations = new Map<string, Operation>();
  const losses: Loss[] = [];
  for (const line of lines) {
    if (line.phase === 'loss') {
      losses.push(line);
    } else if (line.phase === 'invoke') {
      const { process, id, type, key, at, epoch } = line;
      operations.set(id, {
        ...{ process, id, type, key, epoch },
        invokeAt: at,
        completeAt: Number.POSITIVE_INFINITY,
        outcome: 'info',
      });
    } else if (line.phase === 'void') {
      operations.delete(line.id);
    } else {
      const begun = operations.get(line.id);
      if (begun === undefined) throw new Error(`Operation ${line.id} ends but never began`);
      const completeAt = line.phase === 'info' ? Number.POSITIVE_INFINITY : line.at;
      const more = line.share === undefined ? {} : { share: line.share };
      operations.set(line.id, { ...begun, ...more, completeAt, outcome: line.phase, epoch: line.epoch ?? begun.epoch });
    }
  }
  return { operations: [...operations.values()].sort((a, b) => a.invokeAt - b.invokeAt), losses };
}
