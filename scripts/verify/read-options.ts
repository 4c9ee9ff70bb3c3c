import { parseArgs } from 'node:util';
import { type DisturbanceName, disturbances } from './disturbances.ts';
import { fullScale, type Scale, type Verification } from './verification.ts';
import { verificationList } from './verification-list.ts';

/** What a run of `npm run verify` looks at. */
export interface VerifyOptions {
  /** Where the api-gateway of a platform is that is there; undefined is one of our own. */
  readonly against: URL | undefined;
  readonly list: readonly Verification[];
  readonly during: readonly DisturbanceName[];
  /** Ticks of the job that cancels expired orders; 0 when it is not looked at. */
  readonly ticks: number;
  readonly scale: Scale;
  readonly json: boolean;
}

const cron = 'expired-orders';
const names = [...verificationList.map(({ name }) => name), cron];
const disturbanceNames = Object.keys(disturbances) as DisturbanceName[];

export const usage = `usage: npm run verify -- [options]

  --against <url>      a platform that is there: where its api-gateway is, such as http://localhost:30000;
                       DROVER_URL, DROVER_TOKEN_FILE and DROVER_CA say where its cluster is, unless drover knows;
                       where users have to log in, some are registered, and with PAYMENT_SECRET callbacks are signed
  --only <names>       of the list: ${names.join(', ')}
  --during <names>     go through the list again during ${disturbanceNames.join(', ')}, or all of them
  --ticks <n>          ticks of one second to follow with ${cron} (200)
  --devices <n>        devices that are created at once (${fullScale.devices})
  --json               the results as JSON, with npm run -s alone on standard output; what is said meanwhile goes to
                       standard error
  --help               this

${cron} and --during need a cluster of our own, and are left out unless they are asked for.
`;

/** @throws Error that says which argument is wrong */
export function readOptions(args: readonly string[]): VerifyOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      against: { type: 'string' },
      only: { type: 'string' },
      during: { type: 'string' },
      ticks: { type: 'string' },
      devices: { type: 'string', default: String(fullScale.devices) },
      json: { type: 'boolean', default: false },
    },
  });
  const only = values.only === undefined ? names.filter((name) => name !== cron) : choose('--only', values.only, names);
  const during = values.during === undefined ? [] : choose('--during', values.during, disturbanceNames);
  if (values.ticks !== undefined && !only.includes(cron)) throw new Error(`--ticks goes with --only ${cron}`);
  const ticks = only.includes(cron) ? count('--ticks', values.ticks ?? '200') : 0;
  if (values.against !== undefined && (ticks > 0 || during.length > 0)) {
    throw new Error(`--against goes without ${cron} and --during: they kill hosts and controllers`);
  }
  return {
    against: values.against === undefined ? undefined : readUrl(values.against),
    list: verificationList.filter(({ name }) => only.includes(name)),
    ...{ during, ticks, json: values.json },
    scale: { ...fullScale, devices: count('--devices', values.devices) },
  };
}

function choose<Name extends string>(option: string, value: string, allowed: readonly Name[]): Name[] {
  if (value === 'all') return [...allowed];
  return value.split(',').map((name) => {
    const found = allowed.find((one) => one === name);
    if (found === undefined) throw new Error(`${option}: "${name}" is none of ${allowed.join(', ')}, all`);
    return found;
  });
}

function count(option: string, value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new Error(`${option}: "${value}" is no count from 1 to 999999`);
  return Number(value);
}

function readUrl(value: string): URL {
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Error(`--against: "${value}" is no address such as http://localhost:30000`);
  }
  return url;
}
