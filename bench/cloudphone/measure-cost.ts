import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startTestRedis } from '../../sdk/testing/test-redis.ts';
import { freePort } from '../../shared/runtime/free-port.ts';
import { type Weighted, weightedMedian } from '../lib/weighted-median.ts';
import { type ComparedLoad, compareLoad, joinLoads } from './compare-load.ts';
import { type ComparedPath, comparePath, joinPaths } from './compare-paths.ts';
import { manyClients } from './drive-load.ts';
import { type Agreement, agreements } from './lay-out-platform.ts';
import type { Databases } from './open-databases.ts';
import { type Client, createClient, type Kind, logIn, mixedKinds, mustSend } from './requests.ts';
import { startService } from './service-process.ts';
import { type Stack, startStack } from './start-stack.ts';

/** Of processes, each with a Redis and databases of its own. */
const sets = 4;
const before = join(import.meta.dirname, '../../examples/cloudphone/before');

export interface CostOptions {
  readonly directory: string;
  readonly databases: Databases;
  readonly quick: boolean;
}

export interface Cost {
  /** Through router and gateway, one for each kind of the mixed load. */
  readonly mixed: Readonly<Record<string, ComparedPath>>;
  /** The middle one of all requests of the mixed load, each kind as often as it comes in it. */
  readonly mixedP50Ms: Readonly<Record<Agreement, number>>;
  /** What requests of the mixed load take longer than beside others, as a share of their time, in percent. */
  readonly mixedShares: Readonly<Record<Exclude<Agreement, 'sdk'>, Shares>>;
  /** The mixed load with so many requests under way that no core is idle. */
  readonly underLoad: ComparedLoad;
  /** Straight to the service, `sdk` beside `alone` and `before`. */
  readonly paths: Readonly<Record<string, ComparedPath>>;
}

export interface Shares {
  /** Half of the requests have less. */
  readonly p50Percent: number;
  /** Of the time of all requests together, which is made by the few that write. */
  readonly ofAllPercent: number;
}

/**
 * What coordination adds to a request: the same requests to services that differ in nothing else. Two processes of the same
 * code differ by a few percent for as long as they live, so several sets of processes are measured, one after the other.
 */
export async function measureCost({ directory, databases, quick }: CostOptions): Promise<Cost> {
  const parts: Part[] = [];
  for (let number = 0; number < (quick ? 1 : sets); number += 1) {
    const ofPart = join(directory, String(number));
    await mkdir(ofPart);
    const urlOf = (name: string) => databases.urlOf(`${name}_${number}`);
    parts.push(await measurePart({ directory: ofPart, databases: { ...databases, urlOf }, quick }, number));
  }
  const mixed = joinAll(parts.map((part) => part.mixed));
  return {
    ...{ mixed, ...sumUp(mixed, parts[0]!.percents) },
    paths: joinAll(parts.map((part) => part.paths)),
    underLoad: joinLoads(
      agreements,
      parts.map((part) => part.underLoad),
    ),
  };
}

interface Part extends Pick<Cost, 'mixed' | 'underLoad' | 'paths'> {
  /** Of a hundred requests of the mixed load, by kind. */
  readonly percents: Readonly<Record<string, number>>;
}

async function measurePart({ directory, databases, quick }: CostOptions, number: number): Promise<Part> {
  const closers: (() => Promise<void>)[] = [];
  try {
    const server = await startTestRedis({ appendonly: true });
    closers.push(() => server.close());
    const open = { directory, redisUrl: server.url, databases, closers };
    const stacks = {} as Record<Agreement, Stack>;
    const kinds = {} as Record<Agreement, Kind[]>;
    for (const name of number % 2 === 0 ? agreements : agreements.toReversed()) {
      const stack = await startStack(name, open);
      const user = await logIn(stack.gateway, 'bench');
      closers.push(user.client.close);
      stacks[name] = stack;
      kinds[name] = mixedKinds(stack, user);
    }
    const unsafe = await startBefore(directory, closers);
    // First, since services that have just started take twice the time for a request.
    const underLoad = await compareLoad(
      kinds,
      quick ? { clients: manyClients, turns: 2, turnMs: 500 } : { clients: manyClients, turns: 3, turnMs: 2_500 },
    );
    const paths = await comparePaths({ sdk: stacks.sdk.direct, alone: stacks.alone.direct, before: unsafe }, quick);
    // Not right after the load: notices of what was paid in it are still being sent then.
    const mixed = await compareMixed(kinds, quick);
    return {
      ...{ underLoad, paths, mixed },
      percents: Object.fromEntries(kinds.sdk.map(({ name, percent }) => [name, percent])),
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function compareMixed(
  kinds: Readonly<Record<Agreement, readonly Kind[]>>,
  quick: boolean,
): Promise<Record<string, ComparedPath>> {
  const mixed: Record<string, ComparedPath> = {};
  for (const [at, sdk] of kinds.sdk.entries()) {
    const variants = { sdk, sessions: kinds.sessions[at]!, alone: kinds.alone[at]! };
    mixed[sdk.name] = await comparePath(variants, quick ? { warmUp: 20, measured: 40 } : { warmUp: 50, measured: 200 });
  }
  return mixed;
}

function joinAll(parts: readonly Readonly<Record<string, ComparedPath>>[]): Record<string, ComparedPath> {
  return Object.fromEntries(Object.keys(parts[0]!).map((name) => [name, joinPaths(parts.map((part) => part[name]!))]));
}

function sumUp(mixed: Cost['mixed'], percents: Part['percents']): Pick<Cost, 'mixedP50Ms' | 'mixedShares'> {
  const all = (values: (path: ComparedPath) => readonly number[]): Weighted[] =>
    Object.entries(mixed).flatMap(([name, path]) => values(path).map((value) => ({ value, weight: percents[name]! })));
  const sum = (value: (path: ComparedPath) => number) =>
    Object.entries(mixed).reduce((total, [name, path]) => total + percents[name]! * value(path), 0);
  const p50Ms = (variant: Agreement) => weightedMedian(all((path) => path.tookMs(variant)));
  const shares = (other: Agreement): Shares => ({
    p50Percent: weightedMedian(all((path) => path.sharesPercent('sdk', other))),
    ofAllPercent: (100 * sum((path) => path.extraMs('sdk', other))) / sum((path) => path.p50Ms.sdk!),
  });
  return {
    mixedP50Ms: { sdk: p50Ms('sdk'), sessions: p50Ms('sessions'), alone: p50Ms('alone') },
    mixedShares: { sessions: shares('sessions'), alone: shares('alone') },
  };
}

type Targets = Readonly<Record<string, Stack['direct']>>;

async function comparePaths(targets: Targets, quick: boolean): Promise<Record<string, ComparedPath>> {
  const client = createClient();
  const each = (toPath: (target: Targets[string]) => Pick<Kind, 'send' | 'prepare'>) =>
    Object.fromEntries(Object.entries(targets).map(([name, target]) => [name, toPath(target)]));
  const rounds = quick ? { warmUp: 20, measured: 40 } : { warmUp: 50, measured: 80 };
  try {
    const payCallback = await comparePath(
      each(({ billing }) => payment(client, billing)),
      rounds,
    );
    const notify = await comparePath(
      each(({ notifications }) => notification(client, notifications)),
      rounds,
    );
    const phones = Object.fromEntries(
      Object.entries(targets).map(([name, { devices }]) => [name, device(client, devices)]),
    );
    // Each is a process that starts, and there are no more of them at a time than variants.
    const createDevice = await comparePath(phones, quick ? { warmUp: 1, measured: 3 } : { warmUp: 2, measured: 10 });
    for (const phone of Object.values(phones)) await phone.prepare();
    return { payCallback, notify, createDevice };
  } finally {
    await client.close();
  }
}

function payment(client: Client, billing: string) {
  const order = { userId: 'bench', planId: 'basic', amount: 100 };
  return {
    prepare: async () => String((await mustSend(client, 'POST', `${billing}/orders`, order)).id),
    send: async (orderId: string) =>
      (await client.send('POST', `${billing}/webhooks/payment`, { orderId, status: 'paid' })).status,
  };
}

function notification(client: Client, notifications: string) {
  const note = { userId: 'bench', message: 'Hello' };
  return { send: async () => (await client.send('POST', `${notifications}/notifications/send`, note)).status };
}

function device(client: Client, devices: string) {
  let last: unknown;
  return {
    async prepare() {
      if (last !== undefined) await mustSend(client, 'DELETE', `${devices}/devices/${last}`);
      last = undefined;
      return '';
    },
    async send() {
      const { status, body } = await client.send('POST', `${devices}/devices`, { userId: 'bench', name: 'phone' });
      last = (body as { readonly id?: unknown } | undefined)?.id;
      return status;
    },
  };
}

/** The services as they are written at first: what they remember is in their own memory. */
async function startBefore(directory: string, closers: (() => Promise<void>)[]): Promise<Targets[string]> {
  const start = async (name: string, env: Readonly<Record<string, string>> = {}) => {
    const service = await startService(join(before, `${name}.js`), { HOST: '127.0.0.1', ...env });
    closers.push(service.end);
    return service.url;
  };
  const [adb, webrtc, scrcpy] = [await freePort(), await freePort(), await freePort()].map(String);
  return {
    billing: await start('billing-service', { DATABASE_FILE: join(directory, 'before.db') }),
    notifications: await start('notification-service'),
    devices: await start('device-service', { ADB_FROM: adb!, WEBRTC_FROM: webrtc!, SCRCPY_FROM: scrcpy! }),
  };
}
