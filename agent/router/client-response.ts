import type { Socket } from 'node:net';
import { fieldLines } from './field-lines.ts';
import type { RequestHead } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';

/** Up to this size bytes are copied behind the head, so that one system call sends both; it fits Node's stack buffer. */
const maxJoinedBytes = 8 * 1024;

/** Fields that must not come as trailers, because they change how a message is read. */
const notATrailer =
  /^(?:content-length|transfer-encoding|host|connection|content-encoding|content-type|set-cookie|te|trailer)$/i;

export type AnswerHead = Pick<ResponseHead, 'status' | 'reason' | 'headers' | 'hasDate' | 'framing'>;

export interface ClientResponseOptions {
  readonly keepAliveTimeoutMs: number;
  /** A response has been written to its end. */
  onEnded(): void;
}

/** Writes the responses on one client connection, one after the other: each begins with `begin` and is over with `end`. */
export class ClientResponse {
  /** Whether the connection goes on after this response; until its head is written it may still become false. */
  keepAlive = false;
  headersSent = false;

  #socket: Socket;
  #onEnded: () => void;
  #keepAliveFields: string;
  #isHead = false;
  #minorVersion: 0 | 1 = 1;
  #framing: ResponseHead['framing'] = 'none';
  #isOpen = false;
  /** Text that waits for the first bytes of the body, to leave together with them. */
  #unsent = '';

  constructor(socket: Socket, { keepAliveTimeoutMs, onEnded }: ClientResponseOptions) {
    this.#socket = socket;
    this.#onEnded = onEnded;
    this.#keepAliveFields = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveTimeoutMs / 1_000)}\r\n\r\n`;
  }

  /** Begins the response to this request; null is one that was never understood. */
  begin(request: RequestHead | null): void {
    this.keepAlive = request?.keepAlive ?? false;
    this.headersSent = false;
    this.#isHead = request?.method === 'HEAD';
    this.#minorVersion = request?.minorVersion ?? 1;
    this.#isOpen = true;
    this.#unsent = '';
  }

  writeContinue(): void {
    if (this.#minorVersion === 1) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1');
  }

  /** Passes a 102 or 103 on; others have no meaning that a client could use, and HTTP/1.0 knows none. */
  writeInformation({ status, headers }: ResponseHead): void {
    if (this.#minorVersion === 0 || (status !== 102 && status !== 103)) return;
    let text = status === 102 ? 'HTTP/1.1 102 Processing\r\n' : 'HTTP/1.1 103 Early Hints\r\n';
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i]!.toLowerCase() === 'link') text += `${headers[i]}: ${headers[i + 1]}\r\n`;
    }
    this.#socket.write(`${text}\r\n`, 'latin1');
  }

  /** Takes the final head; it leaves with the first bytes of the body, or by `flush`. */
  writeHead({ status, reason, headers, hasDate, framing }: AnswerHead): void {
    this.headersSent = true;
    let text = `HTTP/1.1 ${status} ${reason}\r\n${fieldLines(headers)}`;
    if (!hasDate) text += dateField();
    if (this.#isHead || framing === 'none' || framing === 'length') {
      this.#framing = this.#isHead ? 'none' : framing;
    } else if (this.#minorVersion === 1) {
      this.#framing = 'chunked';
      text += 'Transfer-Encoding: chunked\r\n';
    } else {
      this.#framing = 'untilClose';
      this.keepAlive = false;
    }
    this.#unsent = text + (this.keepAlive ? this.#keepAliveFields : 'Connection: close\r\n\r\n');
  }

  /** Sends the head if it has not left yet. */
  flush(): void {
    if (this.#unsent === '') return;
    this.#socket.write(this.#unsent, 'latin1');
    this.#unsent = '';
  }

  /** Sends a piece of the body; false when the client does not keep up. */
  write(chunk: Buffer): boolean {
    return this.#send(chunk, '');
  }

  /** Sends the last piece of the body and, where the framing has a place for them, the trailers. */
  end(last: Buffer | null = null, trailers: readonly string[] = []): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const closing = this.#framing === 'chunked' ? `0\r\n${trailerLines(trailers)}\r\n` : '';
    this.#send(last, closing);
    this.#onEnded();
  }

  #send(chunk: Buffer | null, closing: string): boolean {
    const socket = this.#socket;
    let text = this.#unsent;
    this.#unsent = '';
    let after = closing;
    const hasBytes = chunk !== null && chunk.length > 0 && this.#framing !== 'none';
    if (hasBytes && this.#framing === 'chunked') {
      text += `${chunk.length.toString(16)}\r\n`;
      after = `\r\n${closing}`;
    }
    if (!hasBytes || chunk.length <= maxJoinedBytes) {
      if (hasBytes) text += chunk.toString('latin1');
      text += after;
      return text === '' || socket.write(text, 'latin1');
    }
    socket.cork();
    if (text !== '') socket.write(text, 'latin1');
    let mayGoOn = socket.write(chunk);
    if (after !== '') mayGoOn = socket.write(after, 'latin1');
    socket.uncork();
    return mayGoOn;
  }
}

function trailerLines(trailers: readonly string[]): string {
  let text = '';
  for (let i = 0; i < trailers.length; i += 2) {
    if (!notATrailer.test(trailers[i]!)) text += `${trailers[i]}: ${trailers[i + 1]}\r\n`;
  }
  return text;
}

let dateSecond = 0;
let dateText = '';

/** RFC 9110, 6.6.1: what is forwarded without a Date gets one. */
function dateField(): string {
  const second = Math.floor(Date.now() / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = `Date: ${new Date(second * 1_000).toUTCString()}\r\n`;
  }
  return dateText;
}
