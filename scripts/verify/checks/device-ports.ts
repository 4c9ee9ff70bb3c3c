import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Ask } from '../ask.ts';
import { type Account, openAccount } from '../open-account.ts';
import type { Platform } from '../platform.ts';
import { untilNone } from '../until-none.ts';
import type { Verification } from '../verification.ts';

export interface Device {
  readonly id: string;
  readonly userId: string;
  readonly host: string;
  readonly state: string;
  readonly ports: { readonly adb: number; readonly webrtc: number; readonly scrcpy: number };
}

/** Of one that listens, on a machine that is busy; where nobody does, that is known at once. */
const answerTimeoutMs = 20_000;
/** Sockets that look at devices at once. */
const lookersAtOnce = 50;
/** Users whose devices are created at once. */
const crowdSize = 10;

export const devicePorts: Verification = {
  name: 'device-ports',
  title: 'No two devices of a host share a port',
  async run({ platform, scale, ask, shell, claim, evidence }) {
    const users = await Promise.all(['user1', 'user2'].map((name) => openAccount(name, { platform, ask })));
    const one = await shell(
      `curl -X POST http://localhost:30000/api/devices \\
  -H "Content-Type: application/json" \\
  -d '{"userId": "user1", "name": "device1"}'`,
      users[0],
    );
    const two = await shell(
      `curl -X POST http://localhost:30000/api/devices \\
  -H "Content-Type: application/json" \\
  -d '{"userId": "user2", "name": "device2"}'`,
      users[1],
    );
    const byHand = [one, two].map(readDevice);
    for (const device of byHand) evidence(describeDevice(device));
    claim(
      'two devices do not share a port of one host',
      sharedPorts(byHand).length === 0,
      sharedPorts(byHand).join(', ') || 'none shared',
    );
    // The log of an instance that is replaced goes with it.
    if (!platform.isDisturbed) {
      const logged = await shell('drover logs device-service --lines 20 | grep "Allocated ports"');
      for (const line of logged.split('\n').slice(-4)) evidence(line);
      const lineOf = ({ ports }: Device) => `Allocated ports: ADB=${ports.adb}, WebRTC=${ports.webrtc}`;
      const missing = byHand.filter((device) => !logged.includes(lineOf(device)));
      claim(
        'the log says which ports were allocated',
        missing.length === 0,
        missing.map(lineOf).join(', ') || 'both found',
      );
    }

    const crowd = await Promise.all(
      Array.from({ length: crowdSize }, (_, index) => openAccount(`crowd-${index}`, { platform, ask })),
    );
    const startedMs = performance.now();
    const answers = await Promise.all(
      Array.from({ length: scale.devices }, (_, index) => {
        const { userId, headers } = crowd[index % crowdSize]!;
        return ask(`${platform.url('api-gateway')}/api/devices`, {
          json: { userId, name: `device-${index}` },
          // Who gets no answer asks again, and has one device then.
          headers: { ...headers, 'idempotency-key': randomUUID() },
        });
      }),
    );
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
    const created = answers.filter(({ status }) => status === 201).map(({ body }) => body as unknown as Device);
    const refused = answers.find(({ status }) => status !== 201);
    claim(
      `${scale.devices} devices are created at once`,
      created.length === scale.devices,
      `${created.length} in ${seconds} s${refused ? `; ${refused.status} ${refused.text.slice(0, 200)}` : ''}`,
    );
    for (const [host, count] of countByHost(created)) evidence(`${host}: ${count} devices`);
    const all = [...byHand, ...created];
    const shared = sharedPorts(all);
    claim(
      'no two devices on one host share a port',
      shared.length === 0,
      shared.slice(0, 5).join(', ') || `${all.length * 3} ports, none shared`,
    );
    const silent = await untilAnswered(platform, all);
    claim(
      'each port is answered by the device that has it',
      silent.length === 0,
      silent.slice(0, 5).join(', ') || `${all.length * 3} ports asked`,
    );
    const refusals = await removeDevices(all, { ask, platform, owners: [...users, ...crowd] });
    const left = [...refusals, ...(await untilSilent(platform, all))];
    claim(
      'devices that are deleted are gone',
      left.length === 0,
      left.slice(0, 3).join(', ') || `${all.length} deleted, none answers on its ports`,
    );
  },
};

/** What curl has printed. @throws Error with it, when it is no device */
function readDevice(printed: string): Device {
  const device = JSON.parse(printed) as Partial<Device>;
  if (device.ports === undefined) throw new Error(`the answer is no device: ${printed.slice(0, 200)}`);
  return device as Device;
}

/** Ports that more than one device of a host has. */
export function sharedPorts(devices: readonly Device[]): string[] {
  const owners = new Map<string, number>();
  for (const { host, ports } of devices) {
    for (const port of Object.values(ports)) owners.set(`${host}:${port}`, (owners.get(`${host}:${port}`) ?? 0) + 1);
  }
  return [...owners].filter(([, count]) => count > 1).map(([port, count]) => `${port} given to ${count} devices`);
}

/** On a host that died devices are started anew, on their ports, once it is back. */
const patienceMs = 90_000;
/** The host of a device that is deleted ends it within a second or two, but 200 of them share a busy machine. */
const removalMs = 20_000;

/** Waits for all ports of devices to be answered, where something is being done to the platform; answers those that are not. */
export async function untilAnswered(platform: Platform, devices: readonly Device[]): Promise<string[]> {
  return await untilNone(
    async () => (await lookAtPorts(platform, devices)).silent,
    platform.isDisturbed ? patienceMs : 0,
  );
}

/** Waits likewise for the devices not to be there any more; answers the ports on which one still is. */
async function untilSilent(platform: Platform, devices: readonly Device[]): Promise<string[]> {
  return await untilNone(
    async () => (await lookAtPorts(platform, devices)).answered,
    platform.isDisturbed ? patienceMs : removalMs,
  );
}

interface PortsLook {
  /** Ports behind which the device answers that has them. */
  readonly answered: string[];
  /** Those behind which another one does, or nobody. */
  readonly silent: string[];
}

async function lookAtPorts(platform: Platform, devices: readonly Device[]): Promise<PortsLook> {
  const hosts = [...new Set(devices.map(({ host }) => host))];
  const addresses = new Map(
    await Promise.all(hosts.map(async (host) => [host, await platform.addressOf(host)] as const)),
  );
  const found: PortsLook = { answered: [], silent: [] };
  const waiting = devices.flatMap(({ id, host, ports }) => Object.values(ports).map((port) => ({ id, host, port })));
  const look = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { id, host, port } = next;
      const said = await greetingOf(port, addresses.get(host) ?? '127.0.0.1').catch((error: Error) => error.message);
      const list = said.includes(id) ? found.answered : found.silent;
      list.push(`${host}:${port} says ${JSON.stringify(said.slice(0, 60))}`);
    }
  };
  await Promise.all(Array.from({ length: lookersAtOnce }, look));
  return found;
}

async function greetingOf(port: number, host: string): Promise<string> {
  const socket = connect({ port, host });
  try {
    const [bytes] = (await once(socket, 'data', { signal: AbortSignal.timeout(answerTimeoutMs) })) as [Buffer];
    return bytes.toString();
  } finally {
    socket.destroy();
  }
}

interface Removal {
  readonly ask: Ask;
  readonly platform: Platform;
  readonly owners: readonly Account[];
}

/** Deletes devices; answers those that would not go. */
async function removeDevices(devices: readonly Device[], { ask, platform, owners }: Removal): Promise<string[]> {
  const headersOf = new Map(owners.map(({ userId, headers }) => [userId, headers]));
  const waiting = [...devices];
  const left: string[] = [];
  const remove = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { status, text } = await ask(`${platform.url('api-gateway')}/api/devices/${next.id}`, {
        method: 'DELETE',
        headers: headersOf.get(next.userId) ?? {},
      });
      if (status >= 300 && status !== 404) left.push(`${next.id}: ${status} ${text.slice(0, 80)}`);
    }
  };
  await Promise.all(Array.from({ length: 20 }, remove));
  return left;
}

export function describeDevice({ id, host, ports }: Device): string {
  return `device ${id} on ${host}: ADB=${ports.adb}, WebRTC=${ports.webrtc}, scrcpy=${ports.scrcpy}`;
}

function countByHost(devices: readonly Device[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { host } of devices) counts.set(host, (counts.get(host) ?? 0) + 1);
  return counts;
}
