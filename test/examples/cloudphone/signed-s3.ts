import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Lifetime } from '../../support/lifetime.ts';
import { startS3 } from './app-service-ground.ts';

/** The only key pair that s3rver knows has this id. */
export const accessKeyId = 'S3RVER';

/**
 * A server that speaks S3, keeps its objects below `directory`, and answers only who signs with this secret: s3rver takes
 * signatures of version 4 as they come, so they are looked at before it. `store` is its bucket, as STORE names it.
 */
export async function startSignedS3(t: Lifetime, directory: string, secret: string): Promise<{ store: string }> {
  const { store } = await startS3(t, directory);
  const place = new URL(store);
  const endpoint = new URL(place.searchParams.get('endpoint')!);
  const server = createServer((incoming, answer) => {
    if (isSigned(incoming, secret)) return pass(incoming, answer, endpoint);
    answer.writeHead(403, { 'content-type': 'application/xml', connection: 'close' });
    answer.end('<Error><Code>SignatureDoesNotMatch</Code><Message>Not with this secret.</Message></Error>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  place.searchParams.set('endpoint', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return { store: place.href };
}

function pass(incoming: IncomingMessage, answer: ServerResponse, to: URL): void {
  const { method, url, headers } = incoming;
  // It has been told to go on already.
  const { expect: _, ...forwarded } = headers;
  const outgoing = request({ hostname: to.hostname, port: to.port, method, path: url, headers: forwarded }, (given) => {
    answer.writeHead(given.statusCode!, given.headers);
    given.pipe(answer);
  });
  outgoing.on('error', () => answer.destroy());
  answer.on('close', () => outgoing.destroy());
  incoming.pipe(outgoing);
}

/** Signature version 4 in the header, as the documentation of AWS has it. The body counts by the digest that its header tells. */
function isSigned({ method, url, headers }: IncomingMessage, secret: string): boolean {
  const [, scope, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  if (scope === undefined || names === undefined) return false;
  const [path, query = ''] = url!.split('?');
  const terms = query.split('&').map((term) => (term === '' || term.includes('=') ? term : `${term}=`));
  const signed = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = [method, path, terms.sort().join('&'), signed.join(''), names, headers['x-amz-content-sha256']];
  const digest = createHash('sha256').update(canonical.join('\n')).digest('hex');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, digest].join('\n');
  const key = scope.split('/').reduce<string | Buffer>((above, part) => hmac(above, part), `AWS4${secret}`);
  return hmac(key, text).toString('hex') === signature;
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
