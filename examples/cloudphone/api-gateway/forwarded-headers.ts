import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { CheckedBy } from './caller.ts';

/** Of one connection only (RFC 9110, 7.6.1), and what a client has no business to say about itself. */
const ofOneConnection = [
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings', 'forwarded'],
];

export type ForwardedRequest = Pick<FastifyRequest, 'ip' | 'protocol' | 'host' | 'method' | 'caller'>;

/** What a service is told: the headers of the client, who it is and where it came from. */
export function headersForService(
  request: ForwardedRequest,
  headers: IncomingHttpHeaders,
  checkedBy: CheckedBy,
): IncomingHttpHeaders {
  const forwarded: IncomingHttpHeaders = {
    ...without(headers, ofOneConnection),
    // Our own word: what the client wrote there is not passed on.
    'x-forwarded-for': request.ip,
    'x-forwarded-proto': request.protocol,
    'x-forwarded-host': request.host,
    // The router before the service replaces the three above by what it knows, which is us.
    'x-client-address': request.ip,
  };
  // The client has been told to go on already.
  delete forwarded.expect;
  // The body of a GET means nothing, and is not sent on.
  if (request.method === 'GET' || request.method === 'HEAD') delete forwarded['content-length'];
  if (checkedBy === 'service') return forwarded;
  // The token is for the gateway and user-service; the others need not know it.
  delete forwarded.authorization;
  const { userId } = request.caller;
  return userId === undefined ? forwarded : { ...forwarded, 'x-user-id': userId };
}

export function headersForClient(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return without(headers, ofOneConnection);
}

function without(headers: IncomingHttpHeaders, names: readonly string[]): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}
