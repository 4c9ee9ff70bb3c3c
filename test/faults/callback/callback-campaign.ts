import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';

import { callbackFailpoints } from '../../../shared/coordination/callback/callbacks.ts';
import { createSqlCallbackTable } from '../../../shared/coordination/callback/sql-callback-table.ts';
import { fromSqlite } from '../../../shared/coordination/sql.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import type { TestRedis } from '../../support/redis.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { CallbackMode, DelivererReply, DelivererSettings } from './deliverer.ts';

export interface CallbackCampaignOptions {
  readonly lifetime: Lifetime;
  /** With an append-only file, when `redisKillEvery` is set and the mode is not `database`. Its boot is seeded. */
  readonly redis: TestRedis;
  /** Of all duplicates together. */
  readonly deliveries: number;
  /** Of each event. Default 3. */
  readonly duplicates?: number;
  /** Default 3. */
  readonly processes?: number;
  readonly seed: number;
  /** A process crashes after about so many deliveries of its own; at each failpoint in turn, and by SIGKILL in between. */
  readonly killEvery: number;
  /** Redis is killed and started again after about so many deliveries. Default never. */
  readonly redisKillEvery?: number;
  readonly mode?: CallbackMode;
  readonly progress?: (line: string) => void;
}

export interface CallbackCampaignResult {
  readonly deliveries: number;
  readonly events: number;
  /** Events with more than one effect. */
  readonly doubleEffects: number;
  /** Events that were answered and have no effect. */
  readonly lost: number;
  /** Deliveries whose answer was not that of the first of their event, byte for byte. */
  readonly mismatchedReplies: number;
  /** Deliveries that were refused for good, with the first of the reasons. */
  readonly broken: number;
  readonly brokenReason: string | undefined;
  readonly kills: number;
  readonly redisKills: number;
  /** Deliveries that had to be repeated: the process died, or the answer was "later". */
  readonly repeats: number;
  /** Crashes by the place where they happened. */
  readonly killsAt: Readonly<Record<string, number>>;
  readonly deliveriesPerSecond: number;
}

/** In flight at one process: enough for duplicates to meet, and little to repeat when it dies. */
const inFlightPerProcess = 24;
/** Duplicates of an event are delivered among those of so many others, in any order. */
const shuffleWindow = 200;
/** Short, so that what a crash leaves open is taken over soon. */
const processingMs = 300;
/** Before a delivery that was told "later" comes again. */
const retryMs = 40;

interface Delivery {
  readonly id: number;
  readonly event: number;
}

/** Delivers each event several times to processes that die all the time, until each delivery has its answer; then looks at the effects. */
export async function runCallbackCampaign(options: CallbackCampaignOptions): Promise<CallbackCampaignResult> {
  const { lifetime, redis, deliveries, duplicates = 3, processes = 3, killEvery, redisKillEvery } = options;
  const { mode = 'database', progress = () => {} } = options;
  const random = new SeededRandom(options.seed);
  const file = join(tempDirectory(lifetime), 'effects.db');
  const handle = new DatabaseSync(file);
  lifetime.after(() => handle.close());
  handle.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
    CREATE TABLE effects (id INTEGER PRIMARY KEY, event TEXT NOT NULL, nonce TEXT NOT NULL);
    CREATE INDEX effects_event ON effects (event);
    CREATE TABLE fences (event TEXT PRIMARY KEY, token INTEGER NOT NULL)`);
  await createSqlCallbackTable({ database: fromSqlite(handle) }).create();

  const events = Math.ceil(deliveries / duplicates);
  const total = events * duplicates;
  const places = [...callbackFailpoints.filter((name) => isReached(name, mode)), 'sigkill'];
  const killsAt: Record<string, number> = {};
  const answers = new Map<number, { text: string; left: number }>();
  const open = new Map<number, Delivery>();
  const again: { delivery: Delivery; atMs: number }[] = [];
  const living = new Set<ChildProcess>();
  const finished = Promise.withResolvers<void>();
  const count = { answered: 0, mismatched: 0, broken: 0, kills: 0, redisKills: 0, repeats: 0 };
  let brokenReason: string | undefined;
  let isOver = false;
  let redisWork = Promise.resolve();
  const startedAtMs = performance.now();
  lifetime.after(() => {
    isOver = true;
    for (const child of living) child.kill('SIGKILL');
  });

  const source = shuffled(events, duplicates, random);
  function nextDelivery(): Delivery | undefined {
    if (again[0] !== undefined && again[0].atMs <= performance.now()) return again.shift()!.delivery;
    const fresh = source.next();
    return fresh.done ? undefined : fresh.value;
  }

  function settle([id, kind, text]: DelivererReply): void {
    const delivery = open.get(id);
    if (delivery === undefined) return;
    open.delete(id);
    if (kind === 'retry') {
      count.repeats++;
      again.push({ delivery, atMs: performance.now() + retryMs });
      return;
    }
    if (kind === 'broken') {
      count.broken++;
      brokenReason ??= text;
    } else {
      const first = answers.get(delivery.event) ?? { text, left: duplicates };
      if (first.text !== text) count.mismatched++;
      first.left--;
      if (first.left === 0) answers.delete(delivery.event);
      else answers.set(delivery.event, first);
    }
    count.answered++;
    if (count.answered % 50_000 === 0) progress(`${count.answered} of ${total} deliveries, ${count.kills} kills`);
    if (redisKillEvery !== undefined && count.answered % redisKillEvery === 0) {
      count.redisKills++;
      redisWork = redisWork.then(() => redis.kill()).then(() => redis.restart());
    }
    if (count.answered === total) finished.resolve();
  }

  function launch(): void {
    if (isOver) return;
    const place = places[count.kills++ % places.length]!;
    const afterDeliveries = 1 + Math.floor(random.next() * 2 * killEvery);
    const settings: DelivererSettings = {
      ...{ url: redis.url, file, mode, processingMs },
      ...(place === 'sigkill' ? {} : { crash: { failpoint: place, afterDeliveries } }),
    };
    const program = fileURLToPath(new URL('./deliverer.ts', import.meta.url));
    const child = fork(program, [JSON.stringify(settings)], { execArgv: ['--unhandled-rejections=strict'] });
    const mine = new Map<number, Delivery>();
    let handed = 0;
    living.add(child);

    const feed = () => {
      if (!child.connected) return;
      const batch: [number, string][] = [];
      while (mine.size < inFlightPerProcess) {
        const delivery = nextDelivery();
        if (delivery === undefined) break;
        mine.set(delivery.id, delivery);
        open.set(delivery.id, delivery);
        batch.push([delivery.id, `evt-${delivery.event}`]);
      }
      handed += batch.length;
      if (batch.length > 0) child.send(batch, () => {});
      if (place === 'sigkill' && handed >= afterDeliveries) child.kill('SIGKILL');
    };
    const timer = setInterval(feed, retryMs);
    child.on('message', (message: 'ready' | DelivererReply[]) => {
      if (message !== 'ready') {
        for (const reply of message) {
          mine.delete(reply[0]);
          settle(reply);
        }
      }
      feed();
    });
    child.on('exit', (code, signal) => {
      clearInterval(timer);
      living.delete(child);
      // What it had in flight has no answer: the sender tries again.
      for (const delivery of mine.values()) {
        if (!open.delete(delivery.id)) continue;
        count.repeats++;
        again.unshift({ delivery, atMs: 0 });
      }
      if (isOver) return;
      if (signal === 'SIGKILL') killsAt[place] = (killsAt[place] ?? 0) + 1;
      else finished.reject(new Error(`A deliverer ended by itself with ${code ?? signal}`));
      launch();
    });
  }

  for (let number = 0; number < processes; number++) launch();
  await finished.promise;
  isOver = true;
  const seconds = (performance.now() - startedAtMs) / 1000;
  const ends = [...living].map((child) => once(child, 'exit'));
  for (const child of living) child.kill('SIGKILL');
  await Promise.all([...ends, redisWork]);

  const one = (text: string) => Number(Object.values(handle.prepare(text).get() as object)[0]);
  return {
    deliveries: count.answered,
    events,
    doubleEffects: one('SELECT COUNT(*) FROM (SELECT event FROM effects GROUP BY event HAVING COUNT(*) > 1)'),
    lost: events - one('SELECT COUNT(DISTINCT event) FROM effects'),
    mismatchedReplies: count.mismatched,
    broken: count.broken,
    brokenReason,
    kills: Object.values(killsAt).reduce((sum, kills) => sum + kills, 0),
    redisKills: count.redisKills,
    repeats: count.repeats,
    killsAt,
    deliveriesPerSecond: Math.round(count.answered / seconds),
  };
}

/** Without a database there is no transaction to die in, and with one nothing to reconcile. */
function isReached(failpoint: string, mode: CallbackMode): boolean {
  const inTransaction = ['callback.inserted', 'callback.beforeCommit', 'callback.committed'].includes(failpoint);
  return mode === 'database' ? failpoint !== 'callback.reconciled' : !inTransaction;
}

/** All deliveries, reordered within a window so that duplicates meet in flight and come long after one another. */
function* shuffled(events: number, duplicates: number, random: SeededRandom): Generator<Delivery> {
  const window: Delivery[] = [];
  for (let id = 0; id < events * duplicates; id++) {
    window.push({ id, event: Math.floor(id / duplicates) });
    if (window.length >= shuffleWindow) yield take(window, random);
  }
  while (window.length > 0) yield take(window, random);
}

function take(window: Delivery[], random: SeededRandom): Delivery {
  const at = Math.floor(random.next() * window.length);
  const last = window.pop()!;
  if (at === window.length) return last;
  const taken = window[at]!;
  window[at] = last;
  return taken;
}
