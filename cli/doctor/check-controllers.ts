import { createTransport, UnansweredError } from '../../sdk/client/transport.ts';
import type { Connection } from '../connection/resolve-connection.ts';
import { formatDuration } from '../render/quantity.ts';
import type { CheckResult } from './check-result.ts';

/** Doctor shows what is slow instead of waiting for it. */
const answerTimeoutMs = 5_000;
/** Leases do not depend on wall clocks, but times in logs and certificates do. */
const largeClockOffsetMs = 5_000;

/** Asks each controller by itself whether it lives, whether it reaches Redis, and what time it is there. */
export async function checkControllers({ urls, ca }: Connection, signal: AbortSignal): Promise<CheckResult[]> {
  const transport = createTransport({ ca, answerTimeoutMs, readTimeoutMs: answerTimeoutMs });
  try {
    return (await Promise.all(urls.map((url) => checkOne(url)))).flat();
  } finally {
    transport.close();
  }

  async function checkOne(url: string): Promise<CheckResult[]> {
    const get = (target: string) =>
      transport.send(url, { method: 'GET', target, headers: {}, repeatable: true }, { signal });
    try {
      const before = Date.now();
      const alive = await get('/healthz');
      alive.resume();
      const tookMs = Date.now() - before;
      const results: CheckResult[] = [
        { level: 'ok', name: `controller ${url}`, finding: `answers in ${formatDuration(tookMs)}` },
      ];
      const ready = await get('/readyz');
      ready.resume();
      results.push(
        ready.statusCode === 200
          ? { level: 'ok', name: `redis of ${url}`, finding: 'can be reached' }
          : {
              level: 'fail',
              name: `redis of ${url}`,
              finding: 'cannot be reached; workers and routes go on, changes wait',
              fix: 'start Redis, or look at the log of the controller',
            },
      );
      // The Date header has whole seconds, so up to one is no offset.
      const offsetMs = Math.abs(Date.parse(alive.headers.date ?? '') - (before + tookMs / 2)) - 1_000;
      if (offsetMs > largeClockOffsetMs) {
        results.push({
          level: 'warn',
          name: `clock of ${url}`,
          finding: `differs from this host's by ${formatDuration(offsetMs)}`,
          fix: 'run a time service (chrony) on both',
        });
      }
      return results;
    } catch (error) {
      if (!(error instanceof UnansweredError)) throw error;
      return [
        {
          level: 'fail',
          name: `controller ${url}`,
          finding: error.message.replace(`${url}: `, ''),
          fix: fixFor(error),
        },
      ];
    }
  }
}

function fixFor({ cause }: UnansweredError): string {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  if (/CERT|SIGNED|LEAF|ISSUER/.test(code)) {
    return 'give the authority of this cluster with --ca (ca.pem in the data directory of a controller)';
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'use the address that the controller advertises, or start it with --advertise';
  return 'is it running, and is its port open from here? (drover controller start)';
}
