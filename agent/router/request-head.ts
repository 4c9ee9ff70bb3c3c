import type { IncomingMessage } from 'node:http';
import { connectionOptions, withoutFields } from './response-head.ts';

/** A request that the router refuses by itself; nothing of it goes to a service. */
export interface RefusedRequest {
  readonly status: 400 | 405 | 501;
  readonly detail: string;
}

export interface RequestHead {
  /** Request line and fields, each line with its CR LF, without the empty line; latin1. */
  readonly text: string;
  readonly body: 'none' | 'length' | 'chunked';
  readonly bodyBytes: number;
  /** In lower case, without port; empty when there is none (HTTP/1.0). */
  readonly host: string;
  /** Begins with a slash, or is `*`. */
  readonly path: string;
}

export interface ForwardingOptions {
  /** Take X-Forwarded-* of the client over (there is a proxy of ours in front); otherwise they are replaced. */
  readonly trustForwarded: boolean;
  /** Whether this becomes an upgraded connection; only then are Upgrade and its Connection option passed on. */
  readonly upgrade: boolean;
  /** Whether the service is to decide about the body before it is sent. */
  readonly expectContinue: boolean;
}

/** An HTTP/1.1 origin form: no spaces, controls, or bytes beyond ASCII, which readers treat in different ways. */
const originForm = /^\/[\x21-\x7e]*$/;
const absoluteForm = /^http:\/\/([^/?#@\s]+)(\/[\x21-\x7e]*)?$/i;
const authority = /^(\[[0-9a-f:.]+\]|[a-z0-9._~!$&'()*+,;=%-]*)(?::(\d{0,5}))?$/;

/**
 * Turns a request that Node's strict parser has accepted into the head for the service, or says why it is refused. What
 * the parser lets through but a second reader could take in another way is refused here: folded fields, several Host
 * fields, transfer codings other than chunked, and chunked in HTTP/1.0.
 */
export function buildRequestHead(
  request: IncomingMessage,
  remoteAddress: string,
  options: ForwardingOptions,
): RequestHead | RefusedRequest {
  const raw = request.rawHeaders;
  let fields: string[] = [];
  let host: string | undefined;
  let contentLength: string | undefined;
  let chunked = false;
  let connection = '';
  let upgrade = '';
  let forwardedFor = '';
  let forwardedProto = '';
  let forwardedHost = '';
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    if (value.includes('\r') || value.includes('\n')) return { status: 400, detail: 'A header field is folded.' };
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
        if (chunked || value.trim().toLowerCase() !== 'chunked') {
          return { status: 501, detail: 'The only Transfer-Encoding understood is "chunked".' };
        }
        chunked = true;
        break;
      case 'connection':
        connection += connection === '' ? value : `,${value}`;
        break;
      case 'upgrade':
        upgrade = value;
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
      case 'expect':
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
  if (chunked && request.httpVersionMinor === 0) {
    return { status: 400, detail: 'HTTP/1.0 has no Transfer-Encoding.' };
  }

  let target = request.url ?? '';
  if (!originForm.test(target) && !(target === '*' && request.method === 'OPTIONS')) {
    const absolute = absoluteForm.exec(target);
    if (absolute === null) return { status: 400, detail: 'The request target is not valid.' };
    // RFC 9112, 3.2.2: the authority of the target replaces what Host says.
    host = absolute[1]!;
    target = absolute[2] ?? '/';
  }
  const name = host === undefined ? '' : hostName(host);
  if (name === null) return { status: 400, detail: 'The Host field is not valid.' };

  if (connection !== '' && connection !== 'keep-alive' && connection !== 'close') {
    fields = withoutFields(fields, connectionOptions(connection));
  }
  // HTTP/1.0 needs no Host, HTTP/1.1 does: an empty one says that the target has no authority.
  let text = `${request.method} ${target} HTTP/1.1\r\nHost: ${host ?? ''}\r\n`;
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  if (options.trustForwarded) {
    text += `X-Forwarded-For: ${forwardedFor === '' ? remoteAddress : `${forwardedFor}, ${remoteAddress}`}\r\n`;
    text += `X-Forwarded-Proto: ${forwardedProto === '' ? 'http' : forwardedProto}\r\n`;
    text += `X-Forwarded-Host: ${forwardedHost === '' ? (host ?? '') : forwardedHost}\r\n`;
  } else {
    text += `X-Forwarded-For: ${remoteAddress}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ${host ?? ''}\r\n`;
  }
  if (contentLength !== undefined) text += `Content-Length: ${contentLength}\r\n`;
  else if (chunked) text += 'Transfer-Encoding: chunked\r\n';
  if (options.expectContinue) text += 'Expect: 100-continue\r\n';
  if (options.upgrade) text += `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
  const bodyBytes = contentLength === undefined ? 0 : Number(contentLength);
  return {
    text,
    body: chunked ? 'chunked' : bodyBytes > 0 ? 'length' : 'none',
    bodyBytes,
    host: name,
    path: target,
  };
}

/** The name in a Host field without its port, in lower case; null when the field is not valid. */
function hostName(host: string): string | null {
  return authority.exec(host.toLowerCase())?.[1] ?? null;
}
