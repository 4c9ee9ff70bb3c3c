import { Socket } from 'node:net';

type WriteDone = (error?: Error | null) => void;

/**
 * A socket that goes on reading after a failed write. A worker that answers early and closes makes our next write fail,
 * while its answer lies in the receive buffer: Node would throw that away with the socket. What the write said is then said
 * by the reading side, as an end or an error, behind everything that the worker had sent.
 */
export class UpstreamSocket extends Socket {
  #hasFailed = false;
  #done: WriteDone = () => {};

  override _write(chunk: unknown, encoding: BufferEncoding, done: WriteDone): void {
    if (this.#hasFailed) {
      done();
      return;
    }
    this.#done = done;
    super._write(chunk, encoding, this.#onWritten);
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], done: WriteDone): void {
    if (this.#hasFailed) {
      done();
      return;
    }
    this.#done = done;
    super._writev?.(chunks, this.#onWritten);
  }

  // A stream has one write under way at most, so that one callback serves all of them.
  #onWritten = (error?: Error | null): void => {
    if (error) this.#hasFailed = true;
    this.#done();
  };
}
