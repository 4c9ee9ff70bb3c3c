import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

import { type Listener, readListeners } from '../../../shared/coordination/port-pool/read-listeners.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { RunningExample } from '../run-example.ts';
import { type Ground, openGround } from './open-ground.ts';

export interface DeviceView {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  readonly host: string;
  readonly ports: { readonly adb: number; readonly webrtc: number; readonly scrcpy: number } | null;
  readonly state: string;
  readonly reason?: string;
  readonly restarts: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** Processes start and end here, on a machine that may have much else to do: for a host under load half a minute is soon. */
export function soon<T>(probe: () => T | Promise<T>): Promise<Exclude<T, false>> {
  return eventually(probe, { timeoutMs: 30_000, intervalMs: 50 });
}

/** Hosts of tests are addresses of this machine. */
export const addressOf = (host: string) => `127.0.0.${10 + Number(host.split('-')[1])}`;

export interface Devices {
  readonly ground: Ground;
  /** SQLite. */
  readonly databaseFile: string;
  run(host: string, slot?: number, environment?: Readonly<Record<string, string>>): Promise<RunningExample>;
  /** One after the other: each takes a second of CPU to start. */
  runAll<const Hosts extends readonly string[]>(hosts: Hosts): Promise<{ [Slot in keyof Hosts]: RunningExample }>;
  /** Pids of phones that live, by device. */
  phones(): Map<string, number>;
  /** Who listens on ports of the pools, at the addresses of the hosts. */
  listeners(): Promise<{ host: string; port: number }[]>;
}

/** Ports of tests are no others': each file that opens devices has a hundred of its own, of each kind. */
export const ranges = (from: number, size: number) => ({
  ADB_PORTS: `${from}-${from + size - 1}`,
  WEBRTC_PORTS: `${from + 100}-${from + 100 + size - 1}`,
  SCRCPY_PORTS: `${from + 200}-${from + 200 + size - 1}`,
});

/** Instances of device-service on hosts of one database and one Redis. Phones end with the test, whatever became of them. */
export async function openDevices(
  t: Lifetime,
  { from, size = 100, ...environment }: { from: number; size?: number } & Record<string, string | number>,
): Promise<Devices> {
  const ground = await openGround(t);
  const state = tempDirectory(t);
  const directory = join(state, 'd');
  const databaseFile = join(state, 'devices.db');

  function phones(): Map<string, number> {
    const found = new Map<string, number>();
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const args = readCommand(Number(name));
      const at = args.findIndex((arg) => arg.startsWith(`${directory}/`));
      if (at > 1 && args[0] !== '/bin/sh' && args[at - 1]!.endsWith('device-process.ts')) {
        found.set(args[at + 1]!, Number(name));
      }
    }
    return found;
  }

  const running: RunningExample[] = [];

  t.after(() =>
    soon(() => {
      // First those who would start phones again.
      for (const { child } of running) child.kill('SIGKILL');
      for (const pid of phones().values()) process.kill(pid, 'SIGKILL');
      if (phones().size > 0) throw new Error('phones outlive their test');
    }),
  );

  const run: Devices['run'] = async (host, slot = 0, more = {}) => {
    const example = await ground.run(
      'device-service',
      host,
      {
        DATABASE_URL: `sqlite:${databaseFile}`,
        DEVICE_DIR: directory,
        DEVICE_ADDRESS: addressOf(host),
        DEVICE_ENV: 'PATH,NODE_COMPILE_CACHE,DROVER_TEST_RUN',
        DEVICE_ORPHAN_MS: '20000',
        DEVICE_LOOK_MS: '200',
        DEVICE_CREATING_MS: '15000',
        DEVICE_RESTART_MS: '100',
        PORT_OWNER_MS: '4000',
        PORT_REST_MS: '1000',
        ...ranges(from, size),
        ...environment,
        ...more,
      },
      slot,
    );
    running.push(example);
    return example;
  };

  return {
    ground,
    databaseFile,
    run,
    async runAll<const Hosts extends readonly string[]>(hosts: Hosts) {
      const instances: RunningExample[] = [];
      for (const [slot, host] of hosts.entries()) instances.push(await run(host, slot));
      return instances as { [Slot in keyof Hosts]: RunningExample };
    },
    phones,
    async listeners() {
      const isOurs = ({ address, port, protocol }: Listener) =>
        protocol === 'tcp' && /^127\.0\.0\.1\d$/.test(address) && port >= from && port < from + 300;
      return (await readListeners()).filter(isOurs).map(({ address, port }) => ({
        host: `host-${Number(address.split('.')[3]) - 10}`,
        port,
      }));
    },
  };
}

function readCommand(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

export async function send(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
}

export async function create(
  at: RunningExample,
  name: string,
  headers: Record<string, string> = {},
): Promise<DeviceView> {
  const answer = await send('POST', `${at.url}/devices`, { userId: 'ann', name }, headers);
  if (answer.status !== 201)
    throw new Error(`no device: ${answer.status} ${JSON.stringify(answer.body)}\n${at.output().slice(-2000)}`);
  return answer.body as unknown as DeviceView;
}

export async function list(at: RunningExample): Promise<DeviceView[]> {
  return (await send('GET', `${at.url}/devices?limit=500`)).body.devices as DeviceView[];
}

export async function find(at: RunningExample, id: string): Promise<DeviceView> {
  return (await send('GET', `${at.url}/devices/${id}`)).body as unknown as DeviceView;
}

/** What a phone says on each of its ports. */
export async function ask({ host, ports }: DeviceView): Promise<string[]> {
  return await Promise.all(
    Object.values(ports!).map(async (port) => {
      const socket = connect(port, addressOf(host));
      try {
        return String(await once(socket, 'data').then(([bytes]) => bytes)).trim();
      } finally {
        socket.destroy();
      }
    }),
  );
}
