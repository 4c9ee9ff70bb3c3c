import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalCluster } from './cluster/local-cluster.ts';
import { expiredOrders } from './verify/checks/expired-orders.ts';
import { disturbances } from './verify/disturbances.ts';
import { deployedPlatform, isLoginRequired } from './verify/platform.ts';
import { readOptions, usage, type VerifyOptions } from './verify/read-options.ts';
import { renderVerdict, renderVerification } from './verify/render.ts';
import { startPlatform } from './verify/start-platform.ts';
import { type Verification, type VerificationResult, verify } from './verify/verification.ts';
import { verifyDuring } from './verify/verify-during.ts';

/**
 * `npm run verify`: the verification list of the cloudphone platform, with its commands as people type them, on a cluster of
 * three hosts of its own, or against one that is there. Exit code 1 if any promise is broken.
 */
const options = readArguments();
const results: VerificationResult[] = [];
const stopping = new AbortController();
const tell = (line: string) => void (options.json ? process.stderr : process.stdout).write(`${line}\n`);
const take = (result: VerificationResult) => {
  results.push(result);
  tell(renderVerification(result));
};

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
if (options.against === undefined) await verifyOwn();
else {
  const deployed = deployedPlatform({ base: options.against.origin, paymentSecret: process.env.PAYMENT_SECRET });
  const platform = { ...deployed, mustLogIn: await isLoginRequired(deployed) };
  for (const verification of options.list) {
    if (!stopping.signal.aborted) take(await verify(verification, { platform, scale: options.scale }));
  }
}
if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
tell(renderVerdict(results));
if (stopping.signal.aborted) process.exitCode = 130;
else if (results.some(({ claims }) => claims.some(({ kept }) => !kept))) process.exitCode = 1;

function readArguments(): VerifyOptions {
  try {
    const read = readOptions(process.argv.slice(2));
    if (read !== 'help') return read;
    process.stdout.write(usage);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    process.exit(1);
  }
}

async function verifyOwn(): Promise<void> {
  const { list, scale, during, ticks } = options;
  const directory = await mkdtemp(join(tmpdir(), 'drover-verify-'));
  tell('Starting two controllers, three hosts and the platform …');
  const cluster = await startLocalCluster({ directory, controllers: 2, agents: 3, signal: stopping.signal });
  let { close } = cluster;
  try {
    const platform = await startPlatform({ cluster });
    close = platform.close;
    tell(`api-gateway is at ${platform.url('api-gateway')}`);
    const run = async (verification: Verification) => {
      if (!stopping.signal.aborted) take(await verify(verification, { platform, scale }));
    };
    for (const verification of list) await run(verification);
    for (const name of during) {
      if (stopping.signal.aborted) break;
      // What is looked at again and again is looked at with fewer devices.
      const fewer = { ...scale, devices: Math.min(scale.devices, 20) };
      await verifyDuring({ platform, list, scale: fewer, disturbance: disturbances[name], onResult: take });
    }
    if (ticks > 0) await run(expiredOrders({ platform, ticks, during: ['leader-kill', 'host-kill'] }));
  } finally {
    tell('\nStopping everything that was started …');
    await close();
    await rm(directory, { recursive: true, force: true });
  }
}
