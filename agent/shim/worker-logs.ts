import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { LineStamp } from './line-stamp.ts';
import { LogFile } from './log-file.ts';
import { type OutputStream, OutputTail } from './output-tail.ts';
import type { Bundle } from './protocol.ts';

/**
 * The two log files of an instance, `<id>.out.log` and `<id>.err.log` (or as the bundle names them), and the pumps that fill them. They go on over
 * restarts.
 */
export class WorkerLogs {
  readonly tail = new OutputTail();
  readonly #files: Record<OutputStream, LogFile>;
  readonly #stamped: boolean;

  constructor(logs: Bundle['logs'], instanceId: string) {
    const { directory, name = instanceId, maxFileBytes, maxFiles } = logs;
    const file = (stream: OutputStream) =>
      new LogFile({ path: join(directory, `${name}.${stream}.log`), maxFileBytes, maxFiles });
    this.#files = { out: file('out'), err: file('err') };
    this.#stamped = logs.time;
  }

  get lostBytes(): number {
    return this.#files.out.lostBytes + this.#files.err.lostBytes;
  }

  /**
   * Copies a pipe of the worker to its file, byte for byte, until it ends. Pauses the pipe while the disk is behind.
   */
  pump(source: Readable, stream: OutputStream): void {
    const file = this.#files[stream];
    const stamp = this.#stamped ? new LineStamp() : null;
    source.on('data', (chunk: Buffer) => {
      this.tail.push(stream, chunk);
      if (file.write(stamp === null ? chunk : stamp.apply(chunk, Date.now()))) return;
      source.pause();
      void file.whenWritable().then(() => source.resume());
    });
    // A pipe breaks only together with its worker, whose end is noticed elsewhere.
    source.on('error', () => {});
  }

  reopen(): void {
    for (const file of Object.values(this.#files)) file.reopen();
  }

  async flush(): Promise<void> {
    await Promise.all(Object.values(this.#files).map((file) => file.flush()));
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#files).map((file) => file.close()));
  }
}
