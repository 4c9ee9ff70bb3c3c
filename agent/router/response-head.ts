import { connectionOptions, readFieldLines, withoutFields } from './field-lines.ts';
import { FramingError } from './framing-error.ts';

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** End-to-end fields only, flat: name, value, name, value. */
  readonly headers: string[];
  /** Whether Date is one of them. */
  readonly hasDate: boolean;
  readonly framing: 'none' | 'length' | 'chunked' | 'untilClose';
  readonly contentLength: number;
  readonly keepAlive: boolean;
  readonly keepAliveTimeoutMs: number;
}

const statusLine = /HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n/y;

/**
 * Parses a response head (latin1, up to and without the empty line, each line with its CR LF) for a request with this
 * `method`, drops the hop-by-hop fields and decides how the body ends. Throws `FramingError` when it allows two readings.
 */
export function parseResponseHead(head: string, method: string): ResponseHead {
  statusLine.lastIndex = 0;
  const first = statusLine.exec(head);
  if (first === null) throw new FramingError('The status line is not valid.');
  const status = Number(first[2]);
  const reason = first[3] ?? '';
  const fields = readFieldLines(head, first[0].length);

  let headers: string[] = [];
  let contentLength = -1;
  let chunked = false;
  let connection = '';
  let keepAliveTimeoutMs = 0;
  let hasDate = false;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    switch (name.toLowerCase()) {
      case 'content-length':
        if (contentLength !== -1) throw new FramingError('There are several Content-Length fields.');
        if (!/^\d{1,15}$/.test(value)) throw new FramingError('The Content-Length is not a number.');
        contentLength = Number(value);
        if (status !== 204 && status >= 200) headers.push(name, value);
        break;
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked') {
          throw new FramingError('The Transfer-Encoding is not "chunked".');
        }
        chunked = true;
        break;
      case 'connection':
        connection += connection === '' ? value : `,${value}`;
        break;
      case 'keep-alive':
        keepAliveTimeoutMs = Number(/(?:^|[\s,;])timeout=(\d{1,6})/i.exec(value)?.[1] ?? 0) * 1_000;
        break;
      case 'upgrade':
        if (status === 101) headers.push(name, value);
        break;
      case 'te':
      case 'trailer':
      case 'proxy-connection':
        break;
      case 'date':
        hasDate = true;
        headers.push(name, value);
        break;
      default:
        headers.push(name, value);
    }
  }
  if (chunked && contentLength !== -1) throw new FramingError('Both Content-Length and Transfer-Encoding are given.');

  const options = connection === '' ? noOptions : connectionOptions(connection);
  if (options.some((option) => option !== 'close' && option !== 'keep-alive' && option !== 'upgrade')) {
    headers = withoutFields(headers, options);
  }
  const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  return {
    status,
    reason,
    headers,
    hasDate,
    framing: bodiless ? 'none' : chunked ? 'chunked' : contentLength === -1 ? 'untilClose' : 'length',
    contentLength: Math.max(contentLength, 0),
    keepAlive: first[1] === '1' ? !options.includes('close') : options.includes('keep-alive'),
    keepAliveTimeoutMs,
  };
}

const noOptions: string[] = [];
