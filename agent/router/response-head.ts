/** The upstream sent something that is no unambiguous HTTP/1.1 response. */
export class ResponseHeadError extends Error {
  override name = 'ResponseHeadError';
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** End-to-end fields only, flat: name, value, name, value. */
  readonly headers: string[];
  readonly framing: 'none' | 'length' | 'chunked' | 'untilClose';
  readonly contentLength: number;
  readonly keepAlive: boolean;
  readonly keepAliveTimeoutMs: number;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/;
/** Everything outside of visible characters, space, tab, obs-text and CR LF pairs. */
const forbidden = /[^\t\x20-\x7e\x80-\xff\r\n]|\r(?!\n)|(?<!\r)\n/;

/** Parses field lines joined by CR LF to a flat list; throws `ResponseHeadError` for what is not a field. */
export function parseFieldLines(lines: string): string[] {
  if (forbidden.test(lines)) throw new ResponseHeadError('a field has a forbidden character');
  const fields: string[] = [];
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    // A folded line begins with a space and so has no valid name.
    if (colon < 1 || !token.test(name)) throw new ResponseHeadError('a field has no valid name');
    fields.push(name, trim(line, colon + 1));
  }
  return fields;
}

/**
 * Parses a response head (`head` is latin1, without the empty line) for a request with this `method`, drops the
 * hop-by-hop fields and decides how the body ends. Throws `ResponseHeadError` when the head allows two readings.
 */
export function parseResponseHead(head: string, method: string): ResponseHead {
  const lineEnd = head.indexOf('\r\n');
  const first = statusLine.exec(lineEnd === -1 ? head : head.slice(0, lineEnd));
  if (first === null) throw new ResponseHeadError('the status line is not valid');
  const status = Number(first[2]);
  const reason = first[3] ?? '';
  if (forbidden.test(reason)) throw new ResponseHeadError('the reason has a forbidden character');
  const fields = lineEnd === -1 ? [] : parseFieldLines(head.slice(lineEnd + 2));

  let headers: string[] = [];
  let contentLength = -1;
  let chunked = false;
  let connection = '';
  let keepAliveTimeoutMs = 0;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    switch (name.toLowerCase()) {
      case 'content-length':
        if (contentLength !== -1) throw new ResponseHeadError('there are several Content-Length fields');
        if (!/^\d{1,15}$/.test(value)) throw new ResponseHeadError('the Content-Length is not a number');
        contentLength = Number(value);
        if (status !== 204 && status >= 200) headers.push(name, value);
        break;
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked') {
          throw new ResponseHeadError('the Transfer-Encoding is not "chunked"');
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
      default:
        headers.push(name, value);
    }
  }
  if (chunked && contentLength !== -1)
    throw new ResponseHeadError('both Content-Length and Transfer-Encoding are given');

  const options = connection === '' ? [] : connectionOptions(connection);
  if (options.some((option) => option !== 'close' && option !== 'keep-alive' && option !== 'upgrade')) {
    headers = withoutFields(headers, options);
  }
  const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  return {
    status,
    reason,
    headers,
    framing: bodiless ? 'none' : chunked ? 'chunked' : contentLength === -1 ? 'untilClose' : 'length',
    contentLength: Math.max(contentLength, 0),
    keepAlive: first[1] === '1' ? !options.includes('close') : options.includes('keep-alive'),
    keepAliveTimeoutMs,
  };
}

/** The options of a Connection field, in lower case. */
export function connectionOptions(value: string): string[] {
  return value.split(',').map((option) => option.trim().toLowerCase());
}

/** Fields that say where a message ends and to whom it goes: a Connection field that lists them does not remove them. */
const neverHopByHop = new Set(['host', 'content-length', 'transfer-encoding', 'date', 'set-cookie', 'authorization']);

/** A copy of a flat list of fields without those named (in lower case), except the ones that no sender may take away. */
export function withoutFields(fields: readonly string[], names: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase();
    if (neverHopByHop.has(name) || !names.includes(name)) kept.push(fields[i]!, fields[i + 1]!);
  }
  return kept;
}

function trim(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}
