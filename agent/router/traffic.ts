import type { FailureCounts, ResponseClass, TrafficStats } from './protocol.ts';

export function noTraffic(): TrafficStats {
  return {
    requests: 0,
    responses: { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 },
    inFlight: 0,
    upgraded: 0,
    retries: 0,
  };
}

export function noFailures(): FailureCounts {
  return { noEndpoint: 0, connect: 0, upstreamReset: 0, timeout: 0, badRequest: 0, noRoute: 0 };
}

const classes: readonly ResponseClass[] = ['1xx', '2xx', '3xx', '4xx', '5xx'];

/** The class of a status from 100 to 599; statuses past it count as 5xx. */
export function responseClass(status: number): ResponseClass {
  return classes[Math.floor(status / 100) - 1] ?? '5xx';
}
