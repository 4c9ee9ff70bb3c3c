import type { ExchangeContext, ExchangeInput } from './exchange-context.ts';
import { pickUpstream } from './pick-upstream.ts';
import { type RouterProblem, routerProblems, sendProblem } from './problem-response.ts';
import type { FailureCounts } from './protocol.ts';
import { RequestBody } from './request-body.ts';
import type { ResponseHead } from './response-head.ts';
import { responseClass } from './traffic.ts';
import { openTunnel } from './tunnel.ts';
import type { Upstream } from './upstream.ts';
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts';

type Deadline = 'none' | 'connect' | 'continue' | 'head' | 'clientBody' | 'clientRead';

/** A server that knows nothing of Expect stays silent; after this long the body is sent anyway, as clients do. */
const continueWaitMs = 1_000;
/** A client that sends nothing of its body, or takes nothing of its response, for this long is given up. */
const clientStallMs = 60_000;

const noUpstreams: readonly Upstream[] = [];
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

/**
 * One request from its head to the end of its response. A request is sent again only where no service can have acted on
 * it twice: it could not be connected at all, or it is idempotent, its body is at hand, and no byte of a response came.
 */
export class Exchange implements ConnectionOwner {
  /** Monotonic, ms; infinity when nothing is waited for. */
  deadlineAt = Number.POSITIVE_INFINITY;

  #context: ExchangeContext;
  #input: ExchangeInput;
  #upstream: Upstream | null = null;
  #connection: UpstreamConnection | null = null;
  #tried: readonly Upstream[] = noUpstreams;
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
  }

  start(): void {
    const { traffic } = this.#input.service;
    traffic.requests++;
    traffic.inFlight++;
    this.#attempt(true);
  }

  #attempt(mayReuse: boolean): void {
    const { service, head } = this.#input;
    const nowMs = this.#context.nowMs();
    const upstream = pickUpstream(service.upstreams, this.#tried, nowMs, Math.random);
    if (upstream === null) {
      if (this.#tried.length === 0) this.#refuse('noEndpoint', routerProblems.noEndpoint);
      else this.#refuse('connect', routerProblems.connectFailed);
      return;
    }
    this.#upstream = upstream;
    upstream.beginRequest();
    const idle = mayReuse && !head.upgrade ? upstream.takeIdle(nowMs) : null;
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
    const { head } = this.#input;
    connection.parser.expect(head.method, this);
    if (head.body === 'none') {
      connection.socket.write(head.text, 'latin1');
      this.#bodySent();
    } else if (head.expectContinue && this.#body === null) {
      connection.socket.write(head.text, 'latin1');
      this.#wait('continue', continueWaitMs);
    } else {
      // Small bodies have come with their head, and leave with it.
      connection.socket.cork();
      connection.socket.write(head.text, 'latin1');
      this.#startBody();
      connection.socket.uncork();
    }
  }

  #startBody(): void {
    const { head, client, service } = this.#input;
    const connection = this.#connection;
    if (connection === null) return;
    this.#wait('clientBody', clientStallMs);
    this.#body ??= new RequestBody({
      chunked: head.body === 'chunked',
      keepBytes: idempotentMethods.has(head.method) ? service.options.maxBodyBufferBytes : 0,
      go: () => client.takeBody(),
      hold: () => client.holdBody(),
      onSent: () => this.#bodySent(),
    });
    this.#body.sendTo(connection.socket);
  }

  onRequestBody(chunk: Buffer): void {
    if (this.#deadline === 'clientBody') this.#wait('clientBody', clientStallMs);
    this.#body?.push(chunk);
  }

  onRequestBodyEnd(trailers: string[]): void {
    this.#body?.end(trailers);
  }

  /** The worker, or the end of the wait for it, says that the client is to send its body. */
  #bodyWanted(): void {
    const { client, head } = this.#input;
    if (!head.expectContinue || this.#body !== null) return;
    client.response.writeContinue();
    this.#startBody();
  }

  #bodySent(): void {
    this.#isSent = true;
    const { client, service } = this.#input;
    if (!client.response.headersSent) this.#wait('head', service.options.responseHeaderTimeoutMs);
  }

  onConnected(): void {
    if (this.#connection !== null) this.#send(this.#connection);
  }

  onWritable(): void {
    this.#body?.resume();
  }

  onHead(head: ResponseHead): void {
    const { client, service } = this.#input;
    const { response } = client;
    this.#hasResponseBytes = true;
    if (head.status === 101) {
      this.#upgradeHead = head;
      return;
    }
    if (head.status < 200) {
      if (head.status === 100) this.#bodyWanted();
      else response.writeInformation(head);
      return;
    }
    this.#wait('none', 0);
    service.traffic.responses[responseClass(head.status)]++;
    if (this.#upstream !== null) {
      this.#upstream.traffic.responses[responseClass(head.status)]++;
      this.#upstream.markUp();
    }
    // The client may or may not send the body it announced: only a closed connection is understood by both.
    if (client.isLeaving || (this.#input.head.expectContinue && this.#body === null)) response.keepAlive = false;
    response.writeHead(head);
  }

  onBody(chunk: Buffer): void {
    if (this.#tail !== null) this.#input.client.response.write(this.#tail);
    this.#tail = chunk;
  }

  onFed(): void {
    const { client } = this.#input;
    if (this.#tail === null) {
      // A head without body yet goes out at once: event streams may wait long for their first event.
      client.response.flush();
      return;
    }
    const chunk = this.#tail;
    this.#tail = null;
    if (client.response.write(chunk) || this.#connection === null) return;
    this.#connection.socket.pause();
    this.#wait('clientRead', clientStallMs);
  }

  /** The client has taken what was written. */
  onClientDrain(): void {
    if (this.#deadline !== 'clientRead') return;
    this.#wait('none', 0);
    this.#connection?.socket.resume();
  }

  onEnd(trailers: string[]): void {
    const connection = this.#connection;
    const tail = this.#tail;
    this.#connection = null;
    this.#tail = null;
    this.#over();
    this.#input.client.response.end(tail, trailers);
    if (connection === null) return;
    if (this.#isSent) connection.release(this.#context.nowMs());
    else connection.destroy();
  }

  onUpgraded(rest: Buffer): void {
    const { client, head, service } = this.#input;
    const upstream = this.#upstream;
    const connection = this.#connection;
    this.#connection = null;
    if (!head.upgrade || this.#upgradeHead === null || upstream === null || connection === null) {
      connection?.destroy();
      this.#refuse('upstreamReset', routerProblems.badResponse);
      return;
    }
    service.traffic.responses['1xx']++;
    upstream.traffic.responses['1xx']++;
    upstream.beginUpgraded();
    service.traffic.upgraded++;
    this.#over();
    const { socket, early } = client.detach();
    const ends = { client: socket, upstream: connection.detach(), head: this.#upgradeHead };
    openTunnel({ ...ends, fromClient: early, fromUpstream: rest }, () => {
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
    const { client, head } = this.#input;
    const replayable =
      !this.#hasReplayed &&
      !this.#hasResponseBytes &&
      this.#retriesLeft > 0 &&
      idempotentMethods.has(head.method) &&
      (this.#body === null || this.#body.isReplayable);
    if (replayable && this.#upstream !== null) {
      this.#hasReplayed = true;
      this.#isSent = false;
      this.#tryAnother(this.#upstream);
      return;
    }
    if (!client.response.headersSent) {
      this.#refuse('upstreamReset', routerProblems.badResponse);
      return;
    }
    this.#context.failures.upstreamReset++;
    this.#over();
    // Cutting the connection is the only way to say that the response is not complete.
    client.destroy();
  }

  /** Goes to another endpoint, or to the same one again when it is the only one. */
  #tryAnother(failed: Upstream): void {
    const { service } = this.#input;
    this.#retriesLeft--;
    service.traffic.retries++;
    failed.traffic.retries++;
    this.#upstream = null;
    failed.endRequest();
    this.#tried = [...this.#tried, failed];
    if (this.#hasReplayed && service.upstreams.every((upstream) => this.#tried.includes(upstream)))
      this.#tried = noUpstreams;
    this.#attempt(false);
  }

  /** The client is gone: nobody waits for the answer. */
  abandon(): void {
    if (this.#isOver) return;
    this.#dropConnection();
    this.#over();
  }

  /** Called when `deadlineAt` has passed. */
  onDeadline(): void {
    const { client } = this.#input;
    switch (this.#deadline) {
      case 'connect':
        this.#dropConnection();
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
        client.response.keepAlive = false;
        this.#refuse('badRequest', routerProblems.bodyTimeout);
        return;
      case 'clientRead':
        client.destroy();
        return;
      case 'none':
    }
  }

  #dropConnection(): void {
    this.#connection?.destroy();
    this.#connection = null;
  }

  #refuse(failure: keyof FailureCounts, problem: RouterProblem): void {
    const { client, service, head } = this.#input;
    this.#context.failures[failure]++;
    this.#over();
    if (client.response.headersSent) {
      client.destroy();
      return;
    }
    service.traffic.responses[responseClass(problem.status)]++;
    if (client.isLeaving || head.expectContinue) client.response.keepAlive = false;
    sendProblem(client.response, problem);
  }

  /** Nothing more of it concerns any upstream. */
  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#wait('none', 0);
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
