import type { Socket } from 'node:net';
import type { ExchangeContext, ExchangeInput, Timed } from './exchange-context.ts';
import { fieldPairs, passInformation } from './informational-response.ts';
import { pickUpstream } from './pick-upstream.ts';
import { type RouterProblem, routerProblems, sendProblem } from './problem-response.ts';
import type { FailureCounts } from './protocol.ts';
import { RequestBody } from './request-body.ts';
import type { ResponseHead } from './response-head.ts';
import type { ResponseFollower } from './routed-response.ts';
import { responseClass } from './traffic.ts';
import { openTunnel } from './tunnel.ts';
import type { Upstream } from './upstream.ts';
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts';

type Deadline = 'none' | 'connect' | 'continue' | 'head' | 'clientBody' | 'clientRead';

/** A server that knows nothing of Expect stays silent; after this long the body is sent anyway, as clients do. */
const continueWaitMs = 1_000;
/** A client that sends nothing of its body, or takes nothing of its response, for this long is given up. */
const clientStallMs = 60_000;

const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
/** Fields that must not come as trailers, because they change how a message is read. */
const notATrailer =
  /^(?:content-length|transfer-encoding|host|connection|content-encoding|content-type|set-cookie|te|trailer)$/i;

/**
 * One request from its head to the end of its response. A request is sent again only where no service can have acted on
 * it twice: it could not be connected at all, or it is idempotent, its body is at hand, and no byte of a response came.
 */
export class Exchange implements ConnectionOwner, ResponseFollower, Timed {
  deadlineAt = Number.POSITIVE_INFINITY;

  #context: ExchangeContext;
  #input: ExchangeInput;
  #upstream: Upstream | null = null;
  #connection: UpstreamConnection | null = null;
  #tried: Upstream[] = [];
  #retriesLeft: number;
  #hasReplayed = false;
  #body: RequestBody | null = null;
  #deadline: Deadline = 'none';
  #isSent = false;
  #hasResponseBytes = false;
  #isOver = false;
  #tail: Buffer | null = null;
  #upgradeHead: ResponseHead | null = null;

  constructor(context: ExchangeContext, input: ExchangeInput) {
    this.#context = context;
    this.#input = input;
    this.#retriesLeft = input.service.options.retries;
    input.response.follow(this);
  }

  start(): void {
    this.#context.active.add(this);
    const { traffic } = this.#input.service;
    traffic.requests++;
    traffic.inFlight++;
    this.#attempt(true);
  }

  #attempt(mayReuse: boolean): void {
    const { service, upgradeBytes } = this.#input;
    const nowMs = this.#context.nowMs();
    const upstream = pickUpstream(service.upstreams, this.#tried, nowMs, Math.random);
    if (upstream === null) {
      if (this.#tried.length === 0) this.#refuse('noEndpoint', routerProblems.noEndpoint);
      else this.#refuse('connect', routerProblems.connectFailed);
      return;
    }
    this.#upstream = upstream;
    upstream.beginRequest();
    const idle = mayReuse && upgradeBytes === null ? upstream.takeIdle(nowMs) : null;
    if (idle !== null) {
      idle.owner = this;
      this.#connection = idle;
      this.#send(idle);
    } else {
      this.#connection = new UpstreamConnection(upstream, this);
      this.#wait('connect', service.options.connectTimeoutMs);
    }
  }

  #send(connection: UpstreamConnection): void {
    const { head, request, expectContinue } = this.#input;
    connection.parser.expect(request.method ?? 'GET', this);
    connection.socket.write(`${head.text}\r\n`, 'latin1');
    if (head.body === 'none') {
      this.#bodySent();
    } else if (expectContinue && this.#body === null) {
      this.#wait('continue', continueWaitMs);
    } else {
      this.#startBody();
    }
  }

  #startBody(): void {
    const { head, request, service } = this.#input;
    const connection = this.#connection;
    if (connection === null) return;
    this.#wait('clientBody', clientStallMs);
    this.#body ??= new RequestBody(request, {
      chunked: head.body === 'chunked',
      keepBytes: idempotentMethods.has(request.method ?? '') ? service.options.maxBodyBufferBytes : 0,
      onProgress: () => this.#bodyMoved(),
      onSent: () => this.#bodySent(),
    });
    this.#body.sendTo(connection.socket);
  }

  /** The worker, or the end of the wait for it, says that the client is to send its body. */
  #bodyWanted(): void {
    const { response, expectContinue } = this.#input;
    if (!expectContinue || this.#body !== null) return;
    response.writeContinue();
    this.#startBody();
  }

  #bodyMoved(): void {
    if (this.#deadline === 'clientBody') this.#wait('clientBody', clientStallMs);
  }

  #bodySent(): void {
    this.#isSent = true;
    if (!this.#input.response.headersSent) this.#wait('head', this.#input.service.options.responseHeaderTimeoutMs);
  }

  onConnected(): void {
    if (this.#connection !== null) this.#send(this.#connection);
  }

  onWritable(): void {
    this.#body?.resume();
  }

  onHead(head: ResponseHead): void {
    this.#hasResponseBytes = true;
    if (head.status === 101) {
      this.#upgradeHead = head;
      return;
    }
    if (head.status < 200) {
      if (head.status === 100) this.#bodyWanted();
      else passInformation(this.#input.response, head);
      return;
    }
    const { response, expectContinue, service } = this.#input;
    this.#wait('none', 0);
    service.traffic.responses[responseClass(head.status)]++;
    if (this.#upstream !== null) {
      this.#upstream.traffic.responses[responseClass(head.status)]++;
      this.#upstream.markUp();
    }
    // The client may or may not send the body it announced: only a closed connection is understood by both.
    if (this.#context.isDraining || (expectContinue && this.#body === null)) response.shouldKeepAlive = false;
    response.writeHead(head.status, head.reason, head.headers);
  }

  onBody(chunk: Buffer): void {
    if (this.#tail !== null) this.#input.response.write(this.#tail);
    this.#tail = chunk;
  }

  onFed(): void {
    const { response } = this.#input;
    if (this.#tail === null) {
      // A head without body yet goes out at once: event streams may wait long for their first event.
      if (response.headersSent) response.flushHeaders();
      return;
    }
    const chunk = this.#tail;
    this.#tail = null;
    if (response.write(chunk) || this.#connection === null) return;
    this.#connection.socket.pause();
    this.#wait('clientRead', clientStallMs);
    response.awaitDrain();
  }

  resumeReading(): void {
    this.#wait('none', 0);
    this.#connection?.socket.resume();
  }

  onEnd(trailers: string[]): void {
    const { response } = this.#input;
    if (trailers.length > 0) response.addTrailers(fieldPairs(trailers).filter(([name]) => !notATrailer.test(name)));
    const connection = this.#connection;
    this.#connection = null;
    this.#over();
    if (this.#tail === null) response.end();
    else response.end(this.#tail);
    this.#tail = null;
    if (connection === null) return;
    if (this.#isSent) connection.release(this.#context.nowMs());
    else connection.destroy();
  }

  onUpgraded(rest: Buffer): void {
    const { response, request, upgradeBytes, service } = this.#input;
    const upstream = this.#upstream;
    const connection = this.#connection;
    if (upgradeBytes === null || this.#upgradeHead === null || upstream === null || connection === null) {
      connection?.destroy();
      this.#connection = null;
      this.#refuse('upstreamReset', routerProblems.badResponse);
      return;
    }
    this.#connection = null;
    service.traffic.responses['1xx']++;
    upstream.traffic.responses['1xx']++;
    upstream.beginUpgraded();
    service.traffic.upgraded++;
    this.#over();
    const client: Socket = request.socket;
    response.unfollow();
    response.detachSocket(client);
    const ends = { client, upstream: connection.detach(), head: this.#upgradeHead };
    openTunnel({ ...ends, fromClient: upgradeBytes, fromUpstream: rest }, () => {
      upstream.endUpgraded();
      service.traffic.upgraded--;
    });
  }

  onLost(reason: string): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#body?.pause();
    if (connection?.isConnected === false) this.#connectLost(reason);
    else this.#responseLost();
  }

  #connectLost(reason: string): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    upstream.connectFailed(this.#context.nowMs(), reason);
    if (this.#retriesLeft === 0) this.#refuse('connect', routerProblems.connectFailed);
    else this.#tryAnother(upstream);
  }

  #responseLost(): void {
    const { request, response } = this.#input;
    const replayable =
      !this.#hasReplayed &&
      !this.#hasResponseBytes &&
      this.#retriesLeft > 0 &&
      idempotentMethods.has(request.method ?? '') &&
      (this.#body === null || this.#body.isReplayable);
    if (replayable && this.#upstream !== null) {
      this.#hasReplayed = true;
      this.#isSent = false;
      this.#tryAnother(this.#upstream);
      return;
    }
    if (!response.headersSent) {
      this.#refuse('upstreamReset', routerProblems.badResponse);
      return;
    }
    this.#context.failures.upstreamReset++;
    this.#over();
    // Cutting the connection is the only way to say that the response is not complete.
    response.destroy();
  }

  /** Goes to another endpoint, or to the same one again when it is the only one. */
  #tryAnother(failed: Upstream): void {
    const { service } = this.#input;
    this.#retriesLeft--;
    service.traffic.retries++;
    failed.traffic.retries++;
    this.#upstream = null;
    failed.endRequest();
    this.#tried.push(failed);
    if (this.#hasReplayed && service.upstreams.every((upstream) => this.#tried.includes(upstream))) this.#tried = [];
    this.#attempt(false);
  }

  /** The client is gone: nobody waits for the answer. */
  abandon(): void {
    if (this.#isOver) return;
    this.#connection?.destroy();
    this.#connection = null;
    this.#over();
  }

  /** Called when `deadlineAt` has passed. */
  onDeadline(): void {
    const { response } = this.#input;
    switch (this.#deadline) {
      case 'connect':
        this.#connection?.destroy();
        this.#connection = null;
        this.#connectLost('connect timeout');
        return;
      case 'continue':
        this.#bodyWanted();
        return;
      case 'head':
        this.#dropConnection();
        this.#refuse('timeout', routerProblems.headTimeout);
        return;
      case 'clientBody':
        this.#dropConnection();
        response.shouldKeepAlive = false;
        this.#refuse('badRequest', routerProblems.bodyTimeout);
        return;
      case 'clientRead':
        response.destroy();
        return;
      case 'none':
    }
  }

  #dropConnection(): void {
    this.#connection?.destroy();
    this.#connection = null;
  }

  #refuse(failure: keyof FailureCounts, problem: RouterProblem): void {
    const { response, service, expectContinue } = this.#input;
    this.#context.failures[failure]++;
    this.#over();
    if (response.headersSent) {
      response.destroy();
      return;
    }
    service.traffic.responses[responseClass(problem.status)]++;
    if (this.#context.isDraining || expectContinue) response.shouldKeepAlive = false;
    sendProblem(response, problem);
  }

  /** Nothing more of it concerns any upstream. What is left of the body is read and dropped, so that the answer arrives. */
  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#wait('none', 0);
    this.#context.active.delete(this);
    this.#input.service.traffic.inFlight--;
    this.#upstream?.endRequest();
    this.#upstream = null;
    this.#body?.discard();
  }

  #wait(deadline: Deadline, durationMs: number): void {
    this.#deadline = deadline;
    this.deadlineAt = durationMs === 0 ? Number.POSITIVE_INFINITY : this.#context.nowMs() + durationMs;
  }
}
