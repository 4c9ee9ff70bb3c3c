import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { lockKeys } from '../lock/lock-keys.ts';
import { type CronDefinition, defineCron } from './cron-definition.ts';
import type { CronHandler, CronJob, CronOptions, CronRun, CronSchedule, TickRun } from './cron-job.ts';
import { cronKeys } from './cron-keys.ts';
import { type CronLoop, runCronLoop } from './cron-loop.ts';
import { type CronRecords, createCronRecords } from './cron-records.ts';
import { DeclaredCron } from './declared-cron.ts';
import { nearestTick } from './nearest-tick.ts';
import { runTick } from './run-tick.ts';
import { StoreTime } from './store-time.ts';

export type CalledRun<T> =
  | { readonly ran: true; readonly runId: string; readonly value: T }
  | { readonly ran: false; readonly reason: Extract<TickRun, { ran: false }>['reason'] };

export interface DeclareOptions extends CronOptions {
  /**
   * `own` (default): ticks are started here when they are due. `caller`: someone else calls `runTick` when they are, and
   * only what is five seconds late is claimed here, by the catch-up policy. Runs asked for by hand are taken in both.
   */
  readonly timer?: 'own' | 'caller';
}

export interface Crons extends CronRecords {
  /**
   * Declares a job on this instance. Each tick runs on one of the instances that declare it: all claim it, one gets it.
   * When instances declare a job differently, as in the middle of a deploy, the newest declaration is in force and the
   * others claim nothing.
   * @throws DroverError ARGUMENT_INVALID naming each field; CRON_CONFLICT when this process declares the name already;
   *   STATE_CONFLICT after `close`
   */
  cron(name: string, schedule: CronSchedule, handler: CronHandler, options?: DeclareOptions): CronJob;
  /**
   * For a timer of someone else that fires on every instance, such as a method with `@Cron`: takes the tick of `schedule`
   * that is nearest to now by this host's clock, and runs `body` if no other instance has claimed it. The first call
   * declares the job. Clocks of hosts may differ by less than half the time between two ticks.
   * @throws what `body` threw; DroverError ARGUMENT_INVALID, CRON_CONFLICT when the schedule changes from call to call,
   *   LEASE_LOST when the run was lost or timed out before it ended
   */
  run<T>(
    name: string,
    schedule: CronSchedule,
    body: (run: CronRun) => T | Promise<T>,
    options?: CronOptions,
  ): Promise<CalledRun<T>>;
  /** Closes all jobs of this instance, side by side; no more can be declared. Never throws. */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

/** A deploy gives an instance some seconds to stop; what takes longer is told to. */
const defaultGraceMs = 10_000;

interface OpenJob {
  readonly definition: CronDefinition;
  readonly declared: DeclaredCron;
  readonly loop: CronLoop;
  readonly job: CronJob;
  readonly isCalled: boolean;
}

/** The cron jobs of one participant. They end, without a grace, when the participant leaves. */
export function createCrons(coordination: Coordination): Crons {
  const { prefix, clock, wakeUps, participantId, signal } = coordination;
  const time = new StoreTime(clock);
  const records = createCronRecords(coordination);
  const open = new Map<string, OpenJob>();
  let isClosed = signal.aborted;
  let listening: readonly { close(): void }[] = [];

  const onLeaving = () => void close({ graceMs: 0 });
  signal.addEventListener('abort', onLeaving, { once: true });

  function onWake(message: string | null): void {
    if (message === null) {
      for (const { loop } of open.values()) loop.wake(true);
      return;
    }
    const [name, what] = message.split(' ', 2) as [string, string | undefined];
    const found = open.get(name);
    if (found === undefined) return;
    if (what === 'replaced') for (const run of found.declared.runs) run.check();
    else found.loop.wake(what !== 'freed');
  }

  /** Nothing is said on the own channel: that it is listened to says that this participant lives. */
  function listen(): readonly { close(): void }[] {
    const own = wakeUps.listen(lockKeys(prefix).wake(participantId), () => {});
    return [wakeUps.listen(cronKeys(prefix, '').wakeChannel, onWake), own];
  }

  function declare(
    definition: CronDefinition,
    handler: CronHandler,
    timer: 'own' | 'caller',
    isCalled: boolean,
  ): CronJob {
    const { name } = definition;
    if (isClosed) {
      const message = `The cron job ${name} cannot be declared: this participant leaves. Declare jobs before closing.`;
      throw new DroverError('STATE_CONFLICT', message, { details: { name } });
    }
    if (open.has(name)) {
      const message = `The cron job ${name} is declared in this process already. Close that one first, or choose another name.`;
      throw new DroverError('CRON_CONFLICT', message, { details: { name } });
    }
    if (listening.length === 0) listening = listen();
    const declared = new DeclaredCron(coordination, time, definition, handler, { listens: true });
    const loop = runCronLoop({ coordination, time, declared, handler, isTimedByCaller: timer === 'caller' });
    let closed: Promise<void> | undefined;

    async function closeJob(graceMs: number): Promise<void> {
      await loop.close();
      await declared.endRuns(graceMs);
      await declared.withdraw();
      if (open.get(name)?.job === job) open.delete(name);
    }

    const job: CronJob = {
      name,
      get nextTick() {
        return loop.nextTick === undefined ? undefined : new Date(loop.nextTick);
      },
      ready: loop.ready,
      pause: () => records.pause(name),
      resume: () => records.resume(name),
      trigger: () => records.trigger(name),
      history: (options) => records.history(name, options),
      async runTick(tick, own = handler) {
        if (closed !== undefined) return { ran: false, reason: 'closed' };
        return await runTick(coordination, declared, tick.getTime(), own);
      },
      close({ graceMs = defaultGraceMs } = {}) {
        closed ??= closeJob(graceMs);
        return closed;
      },
    };
    open.set(name, { definition, declared, loop, job, isCalled });
    return job;
  }

  async function close(options: { readonly graceMs?: number } = {}): Promise<void> {
    isClosed = true;
    await Promise.all([...open.values()].map(({ job }) => job.close(options)));
    for (const each of listening) each.close();
    signal.removeEventListener('abort', onLeaving);
  }

  return {
    ...records,
    close,
    cron(name, schedule, handler, { timer = 'own', ...options } = {}) {
      return declare(defineCron(name, schedule, options), handler, timer, false);
    },
    async run<T>(
      name: string,
      schedule: CronSchedule,
      body: (run: CronRun) => T | Promise<T>,
      options: CronOptions = {},
    ): Promise<CalledRun<T>> {
      if (isClosed) return { ran: false, reason: 'closed' };
      const nowMs = clock.nowMs();
      const definition = defineCron(name, schedule, { catchUp: 'none', ...options });
      const known = open.get(name);
      if (known !== undefined && (!known.isCalled || known.definition.text !== definition.text)) {
        const message = `The cron job ${name} is declared in this process already, in another way. Choose another name.`;
        throw new DroverError('CRON_CONFLICT', message, { details: { name } });
      }
      const job = known?.job ?? declare(definition, body, 'caller', true);
      const tick = nearestTick(definition.schedule, nowMs);
      if (tick === undefined) return { ran: false, reason: 'early' };
      const end = await job.runTick(new Date(tick), body);
      if (!end.ran) return end;
      if (end.outcome === 'succeeded') return { ran: true, runId: end.runId, value: end.result as T };
      if (end.error !== undefined) throw end.error;
      const message = `The run ${end.runId} was lost before it ended: another may have begun. What it did is fenced.`;
      throw new DroverError('LEASE_LOST', message, { details: { what: `run ${end.runId}`, reason: 'expired' } });
    },
  };
}
