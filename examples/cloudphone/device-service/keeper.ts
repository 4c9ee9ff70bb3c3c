import { setTimeout as sleep } from 'node:timers/promises';
import type { Drover, PortAllocation, PortPools } from 'drover';
import { allocateFor, portsOf } from './create-device.ts';
import type { DeviceHost } from './device-host.ts';
import type { Device, DeviceTable } from './device-table.ts';
import type { PortUsage } from './port-usage.ts';

export interface KeeperOptions {
  readonly drover: Drover;
  readonly ports: PortPools;
  readonly usage: PortUsage;
  readonly table: DeviceTable;
  readonly host: DeviceHost;
  /** How often the host is looked at without being woken. */
  readonly lookMs: number;
  /** A device that is being made for longer, and has no ports, was given up by who made it. */
  readonly creatingMs: number;
  readonly restart: { readonly max: number; readonly firstPauseMs: number };
}

/** A device whose ports this instance has. */
interface Kept {
  readonly allocation: PortAllocation;
  /** By the monotonic clock: not started again before. */
  notBeforeMs: number;
  /** Something is being done about it. */
  isBusy: boolean;
}

/** A phone that ran for so long has recovered: earlier restarts do not count any more. */
const stableMs = 60_000;
const longestPauseMs = 30_000;
/** An allocation of a dead instance is adopted within milliseconds; one of a living instance is not to be waited for. */
const adoptTimeoutMs = 2_000;

/**
 * Makes the devices of this host what their rows say. Each instance looks after the devices whose ports it has; what a dead
 * or departed instance left, processes and ports, is taken over by one that lives. When an instance ends, no phone is touched.
 */
export function startKeeper(options: KeeperOptions) {
  const { drover, ports, usage, table, host, lookMs, creatingMs, restart } = options;
  const self = drover.coordination.participantId;
  const kept = new Map<string, Kept>();
  const ending = new AbortController();
  const working = new Set<Promise<void>>();
  let wake = new AbortController();

  const isWanted = ({ state }: Device) => state === 'creating' || state === 'running';
  const say = (id: string, what: string) => console.log(`Device ${id} on ${drover.host}: ${what}`);

  const complain = (id: string, error: unknown) =>
    say(id, `something failed, and is tried again: ${(error as Error).message}`);

  const wakeUp = () => wake.abort();
  const wakeUps = drover.topic<string>('device-service:wake');
  const subscription = wakeUps.subscribe((name) => name === drover.host && wakeUp());
  host.watch(wakeUp);

  /** One thing at a time about each device, and never longer than the others can wait. */
  function work(id: string, one: Kept, act: () => Promise<void>): void {
    if (one.isBusy) return;
    one.isBusy = true;
    const task = act()
      .catch((error: unknown) => complain(id, error))
      .finally(() => {
        one.isBusy = false;
        working.delete(task);
      });
    working.add(task);
  }

  /** The allocation is ours: so is the device, unless it is not wanted any more. */
  async function keep(device: Device, allocation: PortAllocation): Promise<void> {
    const { id } = device;
    if (kept.has(id)) return;
    const claim = { id, token: allocation.token };
    if (!(await table.claim(claim, self, portsOf(allocation)))) {
      // Where another instance was faster, what runs is its phone.
      if (!(await table.hasLaterKeeper(claim))) await host.end(id);
      return await allocation.release();
    }
    kept.set(id, { allocation, notBeforeMs: 0, isBusy: false });
  }

  async function tend(device: Device, one: Kept): Promise<void> {
    const { id, restarts } = device;
    const claim = { id, token: one.allocation.token };
    if (!isWanted(device)) {
      await giveUp(id, one);
      if (await table.markGone(id)) say(id, 'gone');
      return;
    }
    const status = await host.ask(id);
    if (status === null) await startAgain(device, one);
    else if (restarts > 0 && status.upMs >= stableMs) await table.countRestarts(claim, 0);
    if (device.state === 'creating' && (await host.ask(id)) !== null) await table.markRunning(claim);
  }

  async function startAgain({ id, restarts }: Device, one: Kept): Promise<void> {
    const nowMs = performance.now();
    if (nowMs < one.notBeforeMs) return;
    const claim = { id, token: one.allocation.token };
    if (restarts >= restart.max) {
      await giveUp(id, one);
      if (await table.markFailed(claim, `it ended ${restarts + 1} times`)) say(id, 'failed: it ends again and again');
      return;
    }
    one.notBeforeMs = nowMs + Math.min(restart.firstPauseMs * 2 ** restarts, longestPauseMs);
    // What refuses this has been taken over, or is not wanted any more: the next look finds out.
    if (!(await table.countRestarts(claim, restarts + 1))) return;
    // One that lives and does not answer would have the ports.
    await host.end(id);
    one.allocation.assertHeld();
    say(id, `has ended, and is started again on its ports, ${restarts + 1} of ${restart.max}`);
    await host.start(id, portsOf(one.allocation));
  }

  /** First nothing listens any more, then the ports are given back. */
  async function giveUp(id: string, one: Kept): Promise<void> {
    await host.end(id);
    await one.allocation.release();
    kept.delete(id);
  }

  const isFresh = ({ state, createdAt }: Device) => state === 'creating' && Date.now() - createdAt < creatingMs;
  // An allocation of a dead instance is adopted at once; one of a living instance is not to be waited for.
  const adopt = (id: string) => ports.adopt({ id }, { signal: AbortSignal.timeout(adoptTimeoutMs) });

  /** What this instance made: the ports are its own already. */
  async function keepOwn(device: Device): Promise<void> {
    const allocation = await adopt(device.id).catch(() => null);
    if (allocation !== null) await keep(device, allocation);
  }

  /** What no living instance has: it is adopted, or given ports anew. */
  async function takeOver(device: Device, state: 'orphaned' | undefined): Promise<void> {
    const { id } = device;
    if (state === 'orphaned') {
      await keep(device, await adopt(id));
      return say(id, 'taken over');
    }
    // Its ports were reclaimed, because nothing listened on them. A device that is to be deleted needs none.
    if (isWanted(device)) return await keep(device, await allocateFor(ports, id));
    await host.end(id);
    if (await table.markGone(id)) say(id, 'gone');
  }

  async function takeOverAll(devices: readonly Device[]): Promise<void> {
    if (devices.length === 0) return;
    const states = new Map((await ports.list()).map(({ allocationId, state }) => [allocationId, state]));
    for (const device of devices) {
      const state = states.get(device.id);
      if (ending.signal.aborted) return;
      if (state === 'orphaned' || (state === undefined && !isFresh(device))) {
        await takeOver(device, state).catch((error: unknown) => complain(device.id, error));
      }
    }
  }

  /** Phones that have no row any more. */
  async function endStrays(): Promise<void> {
    const running = await host.list();
    const wanted = await table.filterActive(running);
    for (const id of running) {
      if (wanted.has(id)) continue;
      say(id, 'is not wanted any more');
      await host.end(id);
    }
  }

  async function look(): Promise<void> {
    const devices = await table.listOfHost(drover.host);
    const byId = new Map(devices.map((device) => [device.id, device]));
    const own = devices.filter(({ id, keeper, state }) => keeper === self && !kept.has(id) && state !== 'creating');
    for (const device of own) await keepOwn(device);
    for (const [id, one] of kept) {
      const device = byId.get(id);
      // Others took us for dead, and have it now.
      if (one.allocation.signal.aborted && !one.isBusy) kept.delete(id);
      else if (device !== undefined) work(id, one, () => tend(device, one));
      else work(id, one, () => giveUp(id, one));
    }
    // What is about the host as a whole, one instance does.
    const lock = await drover.tryLock(`device-service:${drover.host}`, { ttlMs: 10_000 });
    if (lock === null) return;
    try {
      const before = kept.size;
      await takeOverAll(devices.filter(({ id }) => !kept.has(id)));
      if (kept.size > before) wakeUp();
      await endStrays();
      await usage.publish();
    } finally {
      await lock.release();
    }
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      wake = new AbortController();
      try {
        await look();
      } catch (error) {
        // Redis or the database is away: phones go on, and so do we.
        if (!ending.signal.aborted)
          console.log(`A look at the devices of ${drover.host} failed: ${(error as Error).message}`);
      }
      const pause = AbortSignal.any([wake.signal, ending.signal]);
      await sleep(lookMs, undefined, { signal: pause }).catch(() => undefined);
    }
  }

  const running = run();
  return {
    /** This instance has a new device. */
    wake: wakeUp,
    /** Something is wanted of a device of that host. A call that is lost costs a second: hosts look by themselves too. */
    async wakeHost(name: string): Promise<void> {
      await wakeUps.publish(name).catch(() => undefined);
    },
    /** Lets go of all devices as they are. */
    async close(): Promise<void> {
      subscription.close();
      ending.abort();
      await running;
      await Promise.all(working);
    },
  };
}

export type Keeper = ReturnType<typeof startKeeper>;
