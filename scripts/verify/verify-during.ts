import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Check as Claim } from '../story/scene.ts';
import type { Disturbance } from './disturbances.ts';
import { disturbedPlatform, serviceNames } from './platform.ts';
import type { LocalPlatform } from './start-platform.ts';
import { startTraffic, type Traffic } from './traffic.ts';
import { type MakeClaim, type Scale, type Verification, type VerificationResult, verify } from './verification.ts';

export interface DuringOptions {
  readonly platform: LocalPlatform;
  readonly list: readonly Verification[];
  readonly scale: Scale;
  readonly disturbance: Disturbance;
  readonly onResult?: (result: VerificationResult) => void;
}

/** What a client does who does not give up at once, and shows the last answer only. */
const patientCurl = 'fail\nretry = 10\nretry-all-errors\nretry-delay = 1\n';

/**
 * Goes through the list while something is done to the platform and clients are at work, again and again until it is done.
 * The last result is that of the clients: what they were told, compared with what the platform says afterwards.
 */
export async function verifyDuring(options: DuringOptions): Promise<VerificationResult[]> {
  const { platform, list, scale, disturbance, onResult = () => undefined } = options;
  const curlHome = await mkdtemp(join(platform.cluster.directory, 'curl-'));
  await writeFile(join(curlHome, '.curlrc'), patientCurl);
  const disturbed = disturbedPlatform(platform, disturbance.mayFail ? curlHome : undefined);
  const startedMs = performance.now();
  const results: VerificationResult[] = [];
  const claims: Claim[] = [];
  const claim: MakeClaim = (promise, kept, measured) => claims.push({ promise, kept, measured });
  let isOver = false;
  let traffic: Traffic | undefined;
  try {
    traffic = await startTraffic(disturbed);
    const acting = disturbance
      .act(platform, claim)
      .catch((error: Error) => claim('it comes to its end', false, error.message))
      .finally(() => {
        isOver = true;
      });
    do {
      for (const verification of list) {
        const title = `During ${disturbance.title}: ${verification.title}`;
        const result = { ...(await verify(verification, { platform: disturbed, scale })), title };
        results.push(result);
        onResult(result);
        if (isOver && results.length >= list.length) break;
      }
    } while (!isOver && list.length > 0);
    await acting;
    await traffic.stop(claim).catch((error: Error) => claim('the ledgers can be compared', false, error.message));
    if (!disturbance.mayFail) claimNothingFailed(claim, results, traffic);
    const last = {
      ...{ name: 'traffic', title: `During ${disturbance.title}: clients at work`, commands: [], evidence: [], claims },
      ...{ requests: traffic.tally.requests, failures: traffic.tally.failures },
      seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    };
    results.push(last);
    onResult(last);
    return results;
  } finally {
    traffic?.close();
    await rm(curlHome, { recursive: true, force: true });
  }
}

/** Where clients may notice nothing: each request had its answer, and each connection that ended was closed. */
function claimNothingFailed(claim: MakeClaim, results: readonly VerificationResult[], traffic: Traffic): void {
  const failures = [...results, traffic.tally].flatMap((part) => part.failures);
  const requests = results.reduce((sum, result) => sum + result.requests, traffic.tally.requests);
  claim(
    '0 failed requests',
    failures.length === 0,
    `${failures.length} of ${requests}${failures[0] === undefined ? '' : `: ${failures[0]}`}`,
  );
  const { slowRequests } = traffic;
  claim(
    'among them requests that were under way for four seconds, to every service',
    serviceNames.every((service) => service === 'api-gateway' || slowRequests.has(service)),
    [...slowRequests].map(([service, count]) => `${service} ${count}`).join(', '),
  );
  const connections = traffic.connections();
  claim(
    'no connection is broken off',
    connections.every(({ brokenOff }) => brokenOff === 0),
    connections.map(({ kind, connects, brokenOff }) => `${kind}: ${brokenOff} of ${connects}`).join(', '),
  );
}
