import { request } from 'node:http';
import type { HttpRun } from '../../shared/contracts/job.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import { fenceHeader, fenceHeaderName } from '../../shared/coordination/fence/fence-header.ts';

export interface RunIdentity {
  /** As the history names it: `service/job`. */
  readonly job: string;
  readonly runId: string;
  readonly tick: Date;
  readonly fence: number;
}

export interface Upstream {
  readonly instanceId: string;
  readonly address: string;
  readonly port: number;
}

export interface RequestResult {
  readonly instanceId: string;
  readonly status: number;
  readonly body: string;
}

/** As much of an answer as a history keeps of a run; what is longer is read to its end and left out. */
const maxBodyBytes = 4_096;

/** The instances that may be asked: healthy, wanted, on a node that is heard. Pure. */
export function healthyUpstreams(
  { nodes, instances }: Pick<Snapshot, 'nodes' | 'instances'>,
  service: string,
): Upstream[] {
  const addresses = new Map(nodes.filter(({ state }) => state === 'ready').map(({ id, address }) => [id, address]));
  return instances.flatMap((instance) => {
    const address = addresses.get(instance.nodeId);
    const port = instance.status.port ?? instance.port;
    const isHealthy = instance.status.state === 'running' && instance.status.health === 'healthy';
    const isAsked = instance.service === service && instance.desired === 'run' && isHealthy;
    return isAsked && address !== undefined && port !== null ? [{ instanceId: instance.id, address, port }] : [];
  });
}

/**
 * Calls one instance for a run. Any answer of 2xx is success, any other a failure; so are an instance that cannot be
 * reached and the end of `signal`, which closes the connection.
 * @throws an error that says what was asked and what came of it
 */
export function runRequest(
  upstream: Upstream,
  run: HttpRun,
  identity: RunIdentity,
  signal: AbortSignal,
): Promise<RequestResult> {
  const { method, path, headers, body } = run;
  const { instanceId, address, port } = upstream;
  const { promise, resolve, reject } = Promise.withResolvers<RequestResult>();
  const what = `${method} ${path} of ${instanceId}`;
  const call = request(
    {
      host: address,
      port,
      method,
      path,
      agent: false,
      signal,
      headers: {
        ...headers,
        'drover-run': identity.runId,
        'drover-tick': identity.tick.toISOString(),
        [fenceHeaderName]: fenceHeader({ name: identity.job, token: identity.fence }),
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      },
    },
    (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        if (bytes < maxBodyBytes) chunks.push(chunk.subarray(0, maxBodyBytes - bytes));
        bytes += chunk.length;
      });
      response.on('error', fail);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) {
          resolve({ instanceId, status, body: bytes > maxBodyBytes ? `(${bytes} bytes)` : text });
        } else reject(new Error(`${what} answered ${status}: ${text.slice(0, 500)}`));
      });
    },
  );
  const fail = (error: Error) => reject(signal.aborted ? signal.reason : new Error(`${what}: ${error.message}`));
  call.on('error', fail);
  call.end(body);
  return promise;
}
