import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startLocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { type LocalPlatform, startPlatform } from '../../scripts/verify/start-platform.ts';
import type { VerificationResult } from '../../scripts/verify/verification.ts';
import type { Lifetime } from '../support/lifetime.ts';

/**
 * The platform on two controllers and three hosts, for one test; no device outlives it. `prepare` starts what it stands on,
 * which ends after it, and answers with what the services are to have in their environment, or who deploys `file` in his.
 */
export async function openCloudphone(
  t: TestContext,
  prepare: (lifetime: Lifetime) => Promise<Record<string, string>> = async () => ({}),
  file?: string,
): Promise<LocalPlatform> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-e2e-'));
  const later: (() => void | Promise<void>)[] = [];
  let close = async () => {};
  t.after(async () => {
    await close();
    for (const cleanUp of later) await cleanUp();
    await rm(directory, { recursive: true, force: true });
  });
  const env = await prepare({ after: (cleanUp) => later.push(cleanUp) });
  const cluster = await startLocalCluster({ directory, controllers: 2, agents: 3 });
  close = cluster.close;
  const platform = await startPlatform({ cluster, env, ...(file === undefined ? {} : { file }) });
  close = platform.close;
  return platform;
}

/** Shows what was promised, and asserts that all of it was kept. */
export function assertAllKept(t: TestContext, { title, claims, failures }: VerificationResult): void {
  for (const { kept, promise, measured } of claims) {
    t.diagnostic(`${kept ? 'kept' : 'BROKEN'}: ${promise} (${measured.replaceAll('\n', ' ').slice(0, 160)})`);
  }
  assert.ok(claims.length > 0, `${title}: nothing was looked at`);
  const broken = claims.filter(({ kept }) => !kept).map(({ promise, measured }) => `${promise}: ${measured}`);
  assert.deepEqual(broken, [], `${title}\n${failures.slice(-10).join('\n')}`);
}
