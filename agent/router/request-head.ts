import { METHODS } from 'node:http';
import { connectionOptions, fieldLines, readFieldLines, withoutFields } from './field-lines.ts';
import { FramingError } from './framing-error.ts';

/** A request that the router refuses by itself; nothing of it goes to a service. */
export interface RefusedRequest {
  readonly status: 400 | 405 | 413 | 417 | 431 | 501;
  readonly detail: string;
}

export interface RequestHead {
  readonly method: string;
  /** What goes to the service: request line, fields, and the empty line; latin1. */
  readonly text: string;
  readonly body: 'none' | 'length' | 'chunked';
  readonly bodyBytes: number;
  /** In lower case, without port; empty when there is none (HTTP/1.0). */
  readonly host: string;
  /** Begins with a slash, or is `*`. */
  readonly path: string;
  readonly minorVersion: 0 | 1;
  /** Whether the client wants its connection kept. */
  readonly keepAlive: boolean;
  /** The client waits for 100 Continue before it sends the body. */
  readonly expectContinue: boolean;
  /** Whether this asks for a WebSocket; no other protocol is upgraded to. */
  readonly upgrade: boolean;
}

export interface ForwardingOptions {
  readonly remoteAddress: string;
  /** Take X-Forwarded-* of the client over (there is a proxy of ours in front); otherwise they are replaced. */
  readonly trustForwarded: boolean;
}

/** No target byte is a space, a control or beyond ASCII: readers treat those in different ways. */
const requestLine = /([A-Z-]{1,32}) ([\x21-\x7e]+) HTTP\/1\.([01])\r\n/y;
const absoluteForm = /^http:\/\/([^/?#@\s]+)(\/[\x21-\x7e]*)?$/i;
const authority = /^(\[[0-9a-f:.]+\]|[a-z0-9._~!$&'()*+,;=%-]*)(?::(\d{0,5}))?$/;
/** Those that Node's servers know: a worker would refuse another one. */
const knownMethods = new Set(METHODS);

/**
 * Turns the head of a request (latin1, up to and without the empty line, each line with its CR LF) into the head for the
 * service, or says why it is refused: only what every reader takes in the same way passes.
 */
export function parseRequestHead(head: string, options: ForwardingOptions): RequestHead | RefusedRequest {
  requestLine.lastIndex = 0;
  const line = requestLine.exec(head);
  if (line === null) return { status: 400, detail: 'The request line is not valid HTTP/1.1.' };
  const method = line[1]!;
  if (method === 'CONNECT') return { status: 405, detail: 'CONNECT is not supported.' };
  if (!knownMethods.has(method)) return { status: 400, detail: 'The method is not known.' };
  const minorVersion = line[3] === '1' ? 1 : 0;
  let raw: string[];
  try {
    raw = readFieldLines(head, line[0].length);
  } catch (error) {
    if (error instanceof FramingError) return { status: 400, detail: error.message };
    throw error;
  }

  let fields: string[] = [];
  let host: string | undefined;
  let contentLength: string | undefined;
  let chunked = false;
  let connection = '';
  let upgradeTo = '';
  let expectsContinue = false;
  let forwardedFor = '';
  let forwardedProto = '';
  let forwardedHost = '';
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    switch (name.toLowerCase()) {
      case 'host':
        if (host !== undefined) return { status: 400, detail: 'There are several Host fields.' };
        host = value;
        break;
      case 'content-length':
        if (contentLength !== undefined) return { status: 400, detail: 'There are several Content-Length fields.' };
        if (!/^\d{1,15}$/.test(value)) return { status: 400, detail: 'The Content-Length is not a number.' };
        contentLength = value;
        break;
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked') {
          return { status: 501, detail: 'The only Transfer-Encoding understood is "chunked".' };
        }
        chunked = true;
        break;
      case 'connection':
        connection += connection === '' ? value : `,${value}`;
        break;
      case 'upgrade':
        upgradeTo += upgradeTo === '' ? value : `, ${value}`;
        break;
      case 'expect':
        if (value.toLowerCase() !== '100-continue') return { status: 417, detail: 'The Expect field is not known.' };
        expectsContinue = true;
        break;
      case 'x-forwarded-for':
        forwardedFor += forwardedFor === '' ? value : `, ${value}`;
        break;
      case 'x-forwarded-proto':
        forwardedProto = value;
        break;
      case 'x-forwarded-host':
        forwardedHost = value;
        break;
      case 'keep-alive':
      case 'te':
      case 'trailer':
      case 'forwarded':
      case 'http2-settings':
      case 'proxy-connection':
      case 'proxy-authenticate':
      case 'proxy-authorization':
        break;
      default:
        fields.push(name, value);
    }
  }
  if (chunked && contentLength !== undefined) {
    return { status: 400, detail: 'Both Content-Length and Transfer-Encoding are given.' };
  }
  if (chunked && minorVersion === 0) return { status: 400, detail: 'HTTP/1.0 has no Transfer-Encoding.' };
  if (host === undefined && minorVersion === 1) return { status: 400, detail: 'There is no Host field.' };

  let target = line[2]!;
  if (target.charCodeAt(0) !== slash && !(target === '*' && method === 'OPTIONS')) {
    const absolute = absoluteForm.exec(target);
    if (absolute === null) return { status: 400, detail: 'The request target is not valid.' };
    // RFC 9112, 3.2.2: the authority of the target replaces what Host says.
    host = absolute[1]!;
    target = absolute[2] ?? '/';
  }
  const name = host === undefined ? '' : hostName(host);
  if (name === null) return { status: 400, detail: 'The Host field is not valid.' };

  let named = noOptions;
  if (connection !== '' && connection !== 'keep-alive' && connection !== 'close') {
    named = connectionOptions(connection);
    fields = withoutFields(fields, named);
  }
  const closes = connection === 'close' || named.includes('close');
  const keeps = connection === 'keep-alive' || named.includes('keep-alive');
  const bodyBytes = contentLength === undefined ? 0 : Number(contentLength);
  const hasBody = chunked || bodyBytes > 0;
  const upgrade =
    upgradeTo.toLowerCase() === 'websocket' &&
    method === 'GET' &&
    minorVersion === 1 &&
    !chunked &&
    contentLength === undefined &&
    named.includes('upgrade');
  const expectContinue = expectsContinue && hasBody && minorVersion === 1;

  // HTTP/1.0 needs no Host, HTTP/1.1 does: an empty one says that the target has no authority.
  const hostField = host ?? '';
  let text = `${method} ${target} HTTP/1.1\r\nHost: ${hostField}\r\n${fieldLines(fields)}`;
  const { remoteAddress } = options;
  if (options.trustForwarded) {
    text += `X-Forwarded-For: ${forwardedFor === '' ? remoteAddress : `${forwardedFor}, ${remoteAddress}`}\r\n`;
    text += `X-Forwarded-Proto: ${forwardedProto === '' ? 'http' : forwardedProto}\r\n`;
    text += `X-Forwarded-Host: ${forwardedHost === '' ? hostField : forwardedHost}\r\n`;
  } else {
    text += `X-Forwarded-For: ${remoteAddress}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ${hostField}\r\n`;
  }
  if (contentLength !== undefined) text += `Content-Length: ${contentLength}\r\n`;
  else if (chunked) text += 'Transfer-Encoding: chunked\r\n';
  if (expectContinue) text += 'Expect: 100-continue\r\n';
  if (upgrade) text += `Connection: Upgrade\r\nUpgrade: ${upgradeTo}\r\n`;
  return {
    method,
    text: `${text}\r\n`,
    body: chunked ? 'chunked' : hasBody ? 'length' : 'none',
    bodyBytes,
    host: name,
    path: target,
    minorVersion,
    // An upgrade that is not taken ends the connection: the client may have sent bytes of the other protocol already.
    keepAlive: (minorVersion === 1 ? !closes : keeps && !closes) && upgradeTo === '',
    expectContinue,
    upgrade,
  };
}

const slash = 47;
const noOptions: string[] = [];

/** The name in a Host field without its port, in lower case; null when the field is not valid. */
function hostName(host: string): string | null {
  return authority.exec(host.toLowerCase())?.[1] ?? null;
}
