import type { Endpoint } from '../../shared/contracts/entities.ts';
import type { Candidate } from './pick-upstream.ts';
import type { EndpointNotice } from './protocol.ts';
import { noTraffic } from './traffic.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** First time out after a refused connection: a restarting worker is often back in less. */
const firstEjectionMs = 250;
/** Longest time out: how late at most a healthy endpoint is found again by a single trial request. */
const longestEjectionMs = 5_000;
/** Idle connections kept per endpoint; more than this saves nothing and costs the worker descriptors. */
const maxIdleConnections = 256;

export interface UpstreamEvents {
  onNotice(notice: EndpointNotice): void;
  /** The last request or upgraded connection of an endpoint that has left the table may have ended. */
  onRelease(upstream: Upstream): void;
}

/** One endpoint of the table as the router uses it: its load, its idle connections, and whether it is out for a while. */
export class Upstream implements Candidate {
  readonly endpoint: Endpoint;
  readonly service: string;
  readonly traffic = noTraffic();
  weight: number;
  /** Out of the table: takes no request, and its connections are closed as they become idle. */
  isLeaving = false;

  #idle: UpstreamConnection[] = [];
  #events: UpstreamEvents;
  #ejectedUntil = 0;
  #ejectionMs = 0;
  #onTrial = false;

  constructor(service: string, endpoint: Endpoint, events: UpstreamEvents) {
    this.service = service;
    this.endpoint = endpoint;
    this.weight = endpoint.weight;
    this.#events = events;
  }

  get load(): number {
    return this.traffic.inFlight + this.traffic.upgraded;
  }

  isEjected(nowMs: number): boolean {
    return this.#ejectionMs > 0 && (this.#onTrial || nowMs < this.#ejectedUntil);
  }

  beginRequest(): void {
    this.traffic.requests++;
    this.traffic.inFlight++;
    // Half open: after its time out the first request is the trial, and the others wait for what becomes of it.
    if (this.#ejectionMs > 0) this.#onTrial = true;
  }

  endRequest(): void {
    this.traffic.inFlight--;
    this.#onTrial = false;
    if (this.isLeaving) this.#events.onRelease(this);
  }

  beginUpgraded(): void {
    this.traffic.upgraded++;
  }

  endUpgraded(): void {
    this.traffic.upgraded--;
    if (this.isLeaving) this.#events.onRelease(this);
  }

  /** It took a connection or answered a request. */
  markUp(): void {
    if (this.#ejectionMs === 0) return;
    this.#ejectionMs = 0;
    this.#events.onNotice({ instanceId: this.endpoint.instanceId, state: 'up', reason: 'reachable' });
  }

  connectFailed(nowMs: number, reason: string): void {
    const wasUp = this.#ejectionMs === 0;
    // Requests that were under way together fail together: they count as one.
    if (!wasUp && nowMs < this.#ejectedUntil) return;
    this.#ejectionMs = wasUp ? firstEjectionMs : Math.min(this.#ejectionMs * 2, longestEjectionMs);
    this.#ejectedUntil = nowMs + this.#ejectionMs;
    if (wasUp) this.#events.onNotice({ instanceId: this.endpoint.instanceId, state: 'down', reason });
  }

  /** The connection that was used last and may be used for sure; null when there is none. */
  takeIdle(nowMs: number): UpstreamConnection | null {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isUsable && nowMs < connection.idleUntil) return connection;
      connection.destroy();
    }
    return null;
  }

  putIdle(connection: UpstreamConnection): void {
    if (this.isLeaving || this.#idle.length >= maxIdleConnections) connection.destroy();
    else this.#idle.push(connection);
  }

  forgetIdle(connection: UpstreamConnection): void {
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  /** Closes the connections that have been idle for too long. */
  closeExpired(nowMs: number): void {
    const expired = this.#idle.filter((connection) => nowMs >= connection.idleUntil);
    if (expired.length === 0) return;
    this.#idle = this.#idle.filter((connection) => nowMs < connection.idleUntil);
    for (const connection of expired) connection.destroy();
  }

  /** Takes it out of the table: what is in flight goes on, what is idle is closed. */
  leave(): void {
    this.isLeaving = true;
    this.closeExpired(Number.POSITIVE_INFINITY);
  }
}
