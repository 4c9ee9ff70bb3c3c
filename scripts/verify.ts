import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalCluster } from './cluster/local-cluster.ts';
import { readArguments } from './read-arguments.ts';
import { askOnce, describeFetchError } from './verify/ask.ts';
import { expiredOrders } from './verify/checks/expired-orders.ts';
import { disturbances } from './verify/disturbances.ts';
import { deployedPlatform, isLoginRequired } from './verify/platform.ts';
import { readOptions, usage } from './verify/read-options.ts';
import { renderVerdict, renderVerification } from './verify/render.ts';
import { type LocalPlatform, startPlatform } from './verify/start-platform.ts';
import { type VerificationResult, verify } from './verify/verification.ts';
import { verifyDuring } from './verify/verify-during.ts';

/**
 * `npm run verify`: the verification list of the cloudphone platform, with its commands as people type them, on a cluster of
 * three hosts of its own, or against one that is there. Exit code 1 if any promise is broken, 2 for arguments that are wrong.
 */
const options = readArguments(usage, readOptions);
const results: VerificationResult[] = [];
const stopping = new AbortController();
const tell = (line: string) => void (options.json ? process.stderr : process.stdout).write(`${line}\n`);
const take = (result: VerificationResult) => {
  stopping.signal.throwIfAborted();
  results.push(result);
  tell(renderVerification(result));
};

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
const stopped = once(stopping.signal, 'abort');
try {
  await (options.against === undefined ? verifyOwn() : Promise.race([verifyDeployed(options.against), stopped]));
} catch (error) {
  if (!stopping.signal.aborted) {
    tell(`\n${(error as Error).message}`);
    process.exitCode = 1;
  }
}
if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
if (stopping.signal.aborted) tell('\nStopped before the end.');
tell(renderVerdict(results));
if (results.length === 0 || results.some(({ claims }) => claims.some(({ kept }) => !kept))) process.exitCode = 1;
// A check that was under way is not waited for.
if (stopping.signal.aborted) process.stdout.write('', () => process.exit(130));

async function verifyOwn(): Promise<void> {
  const { signal } = stopping;
  const directory = await mkdtemp(join(tmpdir(), 'drover-verify-'));
  tell('Starting two controllers, three hosts and the platform …');
  let close = async () => {};
  try {
    const cluster = await startLocalCluster({ directory, controllers: 2, agents: 3, signal });
    close = cluster.close;
    const platform = await startPlatform({ cluster, signal });
    close = platform.close;
    tell(`api-gateway is at ${platform.url('api-gateway')}`);
    await Promise.race([verifyAll(platform), stopped]);
  } finally {
    tell('\nStopping everything that was started …');
    await close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function verifyAll(platform: LocalPlatform): Promise<void> {
  const { list, scale, during, ticks } = options;
  for (const verification of list) take(await verify(verification, { platform, scale }));
  for (const name of during) {
    // What is looked at again and again is looked at with fewer devices.
    const fewer = { ...scale, devices: Math.min(scale.devices, 20) };
    await verifyDuring({ platform, list, scale: fewer, disturbance: disturbances[name], onResult: take });
  }
  if (ticks > 0) {
    const check = expiredOrders({ platform, ticks, during: ['leader-kill', 'host-kill'] });
    take(await verify(check, { platform, scale }));
  }
}

async function verifyDeployed({ origin }: URL): Promise<void> {
  const deployed = deployedPlatform({ base: origin, paymentSecret: process.env.PAYMENT_SECRET });
  const health = `${deployed.url('api-gateway')}/health`;
  const { status, body } = await askOnce(health).catch((error: Error) => {
    throw new Error(`${health} does not answer: ${describeFetchError(error)}`);
  });
  if (body.instance === undefined)
    throw new Error(`${health} is not that of a service of cloudphone: it answers ${status}`);
  const platform = { ...deployed, mustLogIn: await isLoginRequired(deployed) };
  for (const verification of options.list) take(await verify(verification, { platform, scale: options.scale }));
}
