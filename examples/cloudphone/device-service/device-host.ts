import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Refusal } from '../shared/refusal.ts';
import { type DeviceLink, type DeviceStatus, openDeviceLink } from './device-link.ts';
import type { DevicePorts } from './device-table.ts';

export interface DeviceHostOptions {
  /** Of the control sockets: the same for all instances of a host, and no other host's. At most 65 characters. */
  readonly directory: string;
  /** Where phones listen. */
  readonly address: string;
  readonly orphanMs: number;
  /** How often phones are told that somebody looks after them. */
  readonly touchMs: number;
  /** Names of what a phone gets of our environment. */
  readonly inherited: readonly string[];
}

/** The processes of phones on this host, whoever started them. */
export interface DeviceHost {
  /** Starts a phone and resolves when it listens on all its ports. @throws Refusal 503 that says why it does not */
  start(id: string, ports: DevicePorts): Promise<void>;
  /** What a phone says of itself, or null when none of that id answers. */
  ask(id: string): Promise<DeviceStatus | null>;
  /** Ends a phone, whatever state it is in. Resolves when there is no process of it. */
  end(id: string): Promise<void>;
  /** Ids of all phones that run here. */
  list(): Promise<string[]>;
  /** From here on all phones of the host are told that somebody looks after them; `onEnd` hears when one has ended. */
  watch(onEnd: () => void): void;
  /** Lets go of all phones as they are. */
  close(): Promise<void>;
}

/** A process of a phone, whoever started it. */
interface Phone {
  readonly id: string;
  readonly pid: number;
}

/** Starting takes a tenth of a second of CPU, and many may start at once. */
const startTimeoutMs = 30_000;
/** From the request to end until SIGKILL. */
const endTimeoutMs = 2_000;
const pollMs = 20;
/** The path of a Unix socket has 107 characters, of which an id and `.sock` take 42. */
const maxDirectoryLength = 65;
const program = fileURLToPath(new URL('device-process.ts', import.meta.url));

export function openDeviceHost(options: DeviceHostOptions): DeviceHost {
  const { directory, address, orphanMs, touchMs, inherited } = options;
  /** To each phone that answers. By it a phone knows that it is looked after, and we that it lives. */
  const links = new Map<string, DeviceLink>();
  const closing = new AbortController();
  let watching: Promise<void> | undefined;
  let tellEnd = () => {};
  if (directory.length > maxDirectoryLength) {
    throw new Error(
      `DEVICE_DIR: ${directory} is too long for the sockets in it, at most ${maxDirectoryLength} characters`,
    );
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const controlPath = (id: string) => join(directory, `${id}.sock`);

  /**
   * What a phone is given of our environment. Not the rest: its user may run anything in it, and our database and our Redis
   * are none of its business. Nor DROVER_SHIM and DROVER_INSTANCE_ID: by these marks an agent finds, and ends, what an
   * instance has left behind, and a phone is meant to outlive its instance.
   */
  const environment = Object.fromEntries(
    inherited.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );

  /** The process table knows also those that do not answer. The path in the arguments names our own phones, and nobody else's. */
  async function readProcesses(): Promise<Phone[]> {
    const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
    return (await Promise.all(pids.map(readProcess))).filter((phone) => phone !== null);
  }

  async function readProcess(pid: number): Promise<Phone | null> {
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    const at = args.findIndex((arg) => arg.startsWith(`${directory}/`) && arg.endsWith('.sock'));
    return at > 1 && args[at - 1]!.endsWith('device-process.ts') ? { id: args[at + 1]!, pid } : null;
  }

  async function waitForEnd(id: string): Promise<void> {
    const killAtMs = performance.now() + endTimeoutMs;
    let living = (await readProcesses()).filter((process) => process.id === id);
    while (living.length > 0) {
      if (performance.now() >= killAtMs) for (const { pid } of living) killIfThere(pid);
      await sleep(pollMs);
      const still = await Promise.all(living.map(({ pid }) => readProcess(pid)));
      living = still.filter((process) => process?.id === id) as Phone[];
    }
  }

  async function connect(id: string): Promise<DeviceLink | null> {
    const known = links.get(id);
    if (known?.isOpen) return known;
    const onClose = () => {
      links.delete(id);
      tellEnd();
    };
    const link = await openDeviceLink(controlPath(id), { touchMs, onClose }).catch(() => null);
    if (link === null) return null;
    // Another look was faster, or we leave.
    if (links.get(id)?.isOpen || closing.signal.aborted) link.close();
    else links.set(id, link);
    return links.get(id) ?? null;
  }

  /** Asks neither Redis nor a database: without them phones go on. */
  async function touchAll(): Promise<void> {
    while (!closing.signal.aborted) {
      await Promise.all((await readProcesses()).map(({ id }) => connect(id)));
      await sleep(touchMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  }

  return {
    async start(id, ports) {
      const listed = Object.entries(ports).map(([name, port]) => `${name}=${port}`);
      const args = [process.execPath, program, controlPath(id), id, address, String(orphanMs), ...listed];
      // A session of its own, and with the shell in between no child of ours: whoever ends an instance with all that is below
      // it, or counts its memory, does not mean the phones. It holds neither our output nor our working directory.
      const shell = spawn('/bin/sh', ['-c', '"$0" "$@" &', ...args], {
        ...{ cwd: '/', env: environment, detached: true },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const said = await readLine(shell.stdout);
      if (said === 'listening') return;
      const message = `Device ${id} does not listen: ${said}`;
      throw new Refusal(503, 'DEVICE_NOT_STARTED', message, { retryAfterSeconds: 1 });
    },
    ask: async (id) => (await connect(id))?.status ?? null,
    async end(id) {
      // Whether it answers or not, the process table has the last word.
      const asked = openDeviceLink(controlPath(id)).then((link) => link.end());
      await Promise.all([waitForEnd(id), asked.catch(() => undefined)]);
      rmSync(controlPath(id), { force: true });
    },
    list: async () => (await readProcesses()).map(({ id }) => id),
    watch(onEnd) {
      tellEnd = onEnd;
      watching ??= touchAll();
    },
    async close() {
      closing.abort();
      await watching;
      for (const link of links.values()) link.close();
    },
  };
}

/** The first line, or why there is none. Nobody reads what comes after it. */
async function readLine(stream: Readable): Promise<string> {
  const timer = setTimeout(() => stream.destroy(), startTimeoutMs);
  try {
    for await (const line of createInterface(stream)) return line;
    return 'it ended at once, or said nothing in time';
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
