import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('clock-shift.c', import.meta.url));

/** A wall clock that a test moves, for the processes that are started by `around`. */
export interface ShiftedClock {
  /** Processes started meanwhile, and theirs, see this clock from then on. */
  around<T>(start: () => Promise<T>): Promise<T>;
  /** Seconds before or after the true time; at once. */
  moveBy(seconds: number): void;
}

/** Null where no C compiler is. */
export function createClocks(directory: string): ((name: string) => ShiftedClock) | null {
  const library = join(directory, 'clock-shift.so');
  try {
    execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', library, source]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return (name) => {
    const file = join(directory, `${name}.clock`);
    writeFileSync(file, '0');
    return {
      moveBy: (seconds) => writeFileSync(file, `${seconds}\0`, { flag: 'r+' }),
      async around(start) {
        Object.assign(process.env, { LD_PRELOAD: library, DROVER_TEST_CLOCK: file });
        try {
          return await start();
        } finally {
          delete process.env.LD_PRELOAD;
          delete process.env.DROVER_TEST_CLOCK;
        }
      },
    };
  };
}
