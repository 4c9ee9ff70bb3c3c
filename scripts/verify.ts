import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startLocalCluster } from './cluster/local-cluster.ts';
import { expiredOrders } from './verify/checks/expired-orders.ts';
import { type DisturbanceName, disturbances } from './verify/disturbances.ts';
import { deployedPlatform } from './verify/platform.ts';
import { renderVerdict, renderVerification } from './verify/render.ts';
import { startPlatform } from './verify/start-platform.ts';
import { fullScale, type Verification, type VerificationResult, verify } from './verify/verification.ts';
import { verificationList } from './verify/verification-list.ts';
import { verifyDuring } from './verify/verify-during.ts';

/**
 * `npm run verify`: the verification list of the cloudphone platform, with its commands as people type them, on a cluster of
 * three hosts of its own, or against one that is there. Exit code 1 if any promise is broken.
 */
const usage = `usage: npm run verify -- [options]

  --against <url>      a platform that is there: where its api-gateway is, such as http://localhost:30000;
                       \`drover\` has to know the cluster (DROVER_URL, or \`drover login\`)
  --only <names>       of the list: ${[...verificationList.map(({ name }) => name), 'expired-orders'].join(', ')}
  --during <names>     go through it again during ${Object.keys(disturbances).join(', ')}, or all of them
  --ticks <n>          with expired-orders: ticks of the schedule of one second to follow (200)
  --devices <n>        devices that are created at once (${fullScale.devices})
  --json               the results as JSON
  --help

\`expired-orders\` and --during need the cluster of their own, and run only when they are asked for.`;

const { values: options } = parseArgs({
  options: {
    against: { type: 'string' },
    only: { type: 'string' },
    during: { type: 'string' },
    ticks: { type: 'string', default: '200' },
    devices: { type: 'string', default: String(fullScale.devices) },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}

const known = [...verificationList.map(({ name }) => name), 'expired-orders'];
const wanted = options.only?.split(',') ?? verificationList.map(({ name }) => name);
const during =
  options.during === 'all'
    ? (Object.keys(disturbances) as DisturbanceName[])
    : ((options.during?.split(',') ?? []) as DisturbanceName[]);
const [ticks, devices] = [Number(options.ticks), Number(options.devices)];
const mistake =
  wanted.find((name) => !known.includes(name)) ??
  during.find((name) => !(name in disturbances)) ??
  [options.ticks, options.devices].find((count) => !/^[1-9]\d*$/.test(count));
const needsOwn = during.length > 0 || wanted.includes('expired-orders');
if (mistake !== undefined || (options.against !== undefined && needsOwn)) {
  process.stderr.write(
    `${mistake === undefined ? '--against goes without expired-orders and --during' : `unknown: ${mistake}`}\n\n${usage}\n`,
  );
  process.exit(1);
}

const tell = (line: string) => void (options.json ? process.stderr : process.stdout).write(`${line}\n`);
const results: VerificationResult[] = [];
const onResult = (result: VerificationResult) => {
  results.push(result);
  tell(renderVerification(result));
};
const list = verificationList.filter(({ name }) => wanted.includes(name));
const scale = { ...fullScale, devices };

if (options.against === undefined) await verifyOwn();
else {
  const platform = deployedPlatform({ base: options.against });
  for (const verification of list) onResult(await verify(verification, { platform, scale }));
}
if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
tell(renderVerdict(results));
if (results.length === 0 || results.some(({ claims }) => claims.some(({ kept }) => !kept))) process.exitCode = 1;

async function verifyOwn(): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  const directory = await mkdtemp(join(tmpdir(), 'drover-verify-'));
  tell('Starting two controllers, three hosts and the platform …');
  const cluster = await startLocalCluster({ directory, controllers: 2, agents: 3, signal: stopping.signal });
  let close = cluster.close;
  try {
    const platform = await startPlatform({ cluster });
    close = platform.close;
    tell(`api-gateway is at ${platform.url('api-gateway')}`);
    const run = async (verification: Verification) => {
      if (!stopping.signal.aborted) onResult(await verify(verification, { platform, scale }));
    };
    for (const verification of list) await run(verification);
    for (const name of during) {
      if (stopping.signal.aborted) break;
      const fewer = { devices: Math.min(devices, 20), callbacks: scale.callbacks };
      await verifyDuring({ platform, list, scale: fewer, disturbance: disturbances[name], onResult });
    }
    if (wanted.includes('expired-orders')) {
      await run(expiredOrders({ platform, ticks, during: ['leader-kill', 'host-kill'] }));
    }
  } finally {
    tell('\nStopping everything that was started …');
    await close();
    await rm(directory, { recursive: true, force: true });
  }
}
