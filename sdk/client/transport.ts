import http from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { BuiltRequest } from './build-request.ts';

export interface TransportOptions {
  readonly token?: string | undefined;
  /** PEM of the cluster authority: the only one trusted then. */
  readonly ca?: string | undefined;
  /** From the start of a request to the head of its answer. */
  readonly answerTimeoutMs: number;
  /** The same for what only reads. */
  readonly readTimeoutMs: number;
}

export interface Transport {
  /** Resolves with the head of the answer; its body is still to be read. Rejects with an UnansweredError. */
  send(url: string, request: BuiltRequest, options: SendOptions): Promise<http.IncomingMessage>;
  close(): void;
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** No answer came. `sent` says whether the request may have reached the controller. */
export class UnansweredError extends Error {
  readonly url: string;
  readonly sent: boolean;

  constructor(url: string, sent: boolean, cause: unknown) {
    super(`${url}: ${explain(cause)}`, { cause });
    this.url = url;
    this.sent = sent;
  }
}

/** A connection that is not there by then goes to the next controller; hosts of a cluster are near each other. */
const connectTimeoutMs = 2_000;
/** Uploads send for long before any answer: only silence counts against them. */
const uploadSilenceMs = 60_000;
/** Idle connections are kept this long; shorter than a controller keeps them, so that none is used as it closes. */
const keepAliveMs = 4_000;

/** Sends requests over kept connections. Plain `http:` urls are for tests and for a proxy on the same host. */
export function createTransport({ token, ca, answerTimeoutMs, readTimeoutMs }: TransportOptions): Transport {
  const kept = { keepAlive: true, timeout: keepAliveMs };
  const plain = new http.Agent(kept);
  const secure = new https.Agent({ ...kept, ...(ca === undefined ? {} : { ca }), minVersion: 'TLSv1.2' });

  return {
    send(url, request, { headers, signal }) {
      const target = new URL(request.target, url);
      const isSecure = target.protocol === 'https:';
      const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
      let connected = false;
      const outgoing = (isSecure ? https : http).request(target, {
        agent: isSecure ? secure : plain,
        method: request.method,
        signal,
        headers: {
          ...request.headers,
          ...headers,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
      });
      const upload = typeof request.body === 'object' ? request.body : undefined;
      let timer = setTimeout(() => outgoing.destroy(timedOut(connectTimeoutMs, 'connection')), connectTimeoutMs);
      outgoing.once('socket', (socket) => {
        const onConnected = (): void => {
          connected = true;
          clearTimeout(timer);
          if (upload === undefined) {
            const limitMs = request.method === 'GET' ? readTimeoutMs : answerTimeoutMs;
            timer = setTimeout(() => outgoing.destroy(timedOut(limitMs, 'answer')), limitMs);
          } else outgoing.setTimeout(uploadSilenceMs, () => outgoing.destroy(timedOut(uploadSilenceMs, 'answer')));
        };
        if (outgoing.reusedSocket) onConnected();
        else socket.once(isSecure ? 'secureConnect' : 'connect', onConnected);
      });
      outgoing.once('response', (response) => {
        clearTimeout(timer);
        outgoing.setTimeout(0);
        resolve(response);
      });
      outgoing.on('error', (error) => {
        clearTimeout(timer);
        reject(signal.aborted ? signal.reason : new UnansweredError(url, connected, error));
      });
      if (upload === undefined) outgoing.end(request.body as string | undefined);
      // A refused upload is answered before all is sent: the answer counts then, not the broken pipe.
      else pipeline(upload.open(), outgoing).catch((error) => outgoing.destroy(error));
      return promise;
    },
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

function timedOut(afterMs: number, what: string): Error {
  return Object.assign(new Error(`no ${what} within ${afterMs} ms`), { code: 'ETIMEDOUT' });
}

const explanations: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up now',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'the host cannot be reached',
  EPROTO: 'it does not speak TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not of the cluster authority you trust',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not of the cluster authority you trust',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not of the cluster authority you trust',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not of the cluster authority you trust',
  CERT_SIGNATURE_FAILURE: 'its certificate is not of the cluster authority you trust',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another address',
  CERT_HAS_EXPIRED: 'its certificate has expired',
};

function explain(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  const known = code === undefined ? undefined : explanations[code];
  return known === undefined ? message || String(code) : `${known} (${code})`;
}
