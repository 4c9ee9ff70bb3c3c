import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../cluster/wait-until.ts';
import { type DisturbanceName, disturbances } from '../disturbances.ts';
import type { LocalPlatform } from '../start-platform.ts';
import { untilNone } from '../until-none.ts';
import type { Verification } from '../verification.ts';

const job = 'cancel-expired-orders';
const tickMs = 1_000;
/** The history of a job holds a hundred runs: it is read long before they are gone. */
const lookMs = 1_000;
/** So many orders of one user that a page of notifications holds all of theirs. */
const ordersOfUser = 40;
/** For the last orders to expire, and for their users to be told. */
const settleMs = 20_000;

interface Order {
  readonly id: string;
  readonly userId: string;
}

export interface ExpiredOrdersOptions {
  readonly platform: LocalPlatform;
  readonly ticks: number;
  /** Done one after the other while the ticks go by. */
  readonly during: readonly DisturbanceName[];
}

/** The job that cancels expired orders on a schedule of one second, while the leader and a host of it are killed. */
export function expiredOrders({ platform, ticks, during }: ExpiredOrdersOptions): Verification {
  const { client } = platform.cluster;
  return {
    name: 'expired-orders',
    title: `Each of ${ticks} ticks runs once, and each expired order expires once`,
    async run({ ask, claim, evidence }) {
      await platform.deploy(['billing-service'], { CANCEL_SCHEDULE: '* * * * * *', ORDER_TTL: '2s' });
      const runs = new Map<string, { readonly tick: number; readonly outcome: string; readonly identity: string }>();
      const orders: Order[] = [];
      const listRuns = () => client.listCronRuns({ params: { name: job }, query: { limit: 100 } });
      const countMissed = async () => (await client.listCrons({})).find(({ name }) => name === job)?.missed ?? 0;
      const missedBefore = await countMissed();
      const deployedAt = Date.now();
      const firstTick = await waitUntil('the first tick', async () =>
        (await listRuns()).map(({ tick }) => tick).findLast((tick) => tick > deployedAt),
      );
      const endAt = firstTick + ticks * tickMs;
      const look = async () => {
        for (const { runId, tick, outcome, identity } of await listRuns()) {
          if (tick >= firstTick && tick < endAt) runs.set(runId, { tick, outcome, identity });
        }
      };
      const disturbing = (async () => {
        for (const [index, name] of during.entries()) {
          await sleep(Math.max(0, firstTick + (ticks * tickMs * index) / during.length - Date.now()));
          evidence(`tick ${Math.round((Date.now() - firstTick) / tickMs)}: ${disturbances[name].title}`);
          const last = [...runs.values()].at(-1)?.identity.split('/')[0];
          await disturbances[name]
            .act(platform, claim, last)
            .catch((error: Error) => claim(disturbances[name].title, false, error.message));
        }
      })();
      let userId = '';
      try {
        while (Date.now() < endAt) {
          if (orders.length % ordersOfUser === 0) userId = `late-${randomUUID().slice(0, 8)}`;
          const json = { userId, planId: 'basic', amount: 10 };
          const { status, body, text } = await ask(`${platform.url('billing-service')}/orders`, { json });
          if (status !== 201) throw new Error(`an order is answered by ${status}: ${text.slice(0, 200)}`);
          orders.push({ id: String(body.id), userId });
          await look().catch(() => undefined);
          await sleep(lookMs / 2);
        }
      } finally {
        await disturbing;
      }
      const ticksThatRan = () => Map.groupBy(runs.values(), ({ tick }) => tick);
      let missed = 0;
      const missing = await untilNone(async () => {
        await look();
        const ran = ticksThatRan();
        const all = Array.from({ length: ticks }, (_, index) => firstTick + index * tickMs);
        const untold = all.filter((tick) => !ran.has(tick)).map((tick) => new Date(tick).toISOString());
        // Those that a run of the dead host held up, and those of which only the last is made up for, are counted as missed;
        // one record stands for all that one run makes skip.
        const skipped = [...runs.values()].filter(({ outcome }) => outcome === 'skipped').length;
        missed = (await countMissed()) - missedBefore;
        return untold.slice(Math.max(0, missed - skipped));
      }, settleMs);
      const byTick = ticksThatRan();
      const twice = [...byTick]
        .filter(([, claimed]) => claimed.length > 1)
        .map(([tick]) => new Date(tick).toISOString());
      claim('no tick runs twice', twice.length === 0, twice.slice(0, 3).join(', ') || `${runs.size} runs`);
      claim(
        'no tick is forgotten',
        missing.length === 0,
        `${missing.length} of ${ticks} untold, ${missed} missed${missing.length > 0 ? `: ${missing.slice(0, 5).join(', ')}` : ''}`,
      );
      const outcomes = count([...runs.values()].map(({ outcome }) => outcome));
      const hosts = count([...runs.values()].map(({ identity }) => identity.split('/')[0] ?? ''));
      evidence(`outcomes: ${outcomes}; by host: ${hosts}`);

      const wrong = await untilNone(async () => {
        const found: string[] = [];
        for (const { id } of orders) {
          const { changes } = (await ask(`${platform.url('billing-service')}/orders/${id}`)).body as {
            changes?: { status: string }[];
          };
          const times = changes?.filter(({ status }) => status === 'EXPIRED').length ?? 0;
          if (times !== 1) found.push(`${id} ${times} times`);
        }
        return found;
      }, settleMs);
      claim('each order expires once', orders.length > 0 && wrong.length === 0, wrong[0] ?? `${orders.length} orders`);
      const untold = await untilNone(async () => {
        const told: string[] = [];
        for (const user of new Set(orders.map((order) => order.userId))) {
          const { text } = await ask(`${platform.url('notification-service')}/notifications/${user}?limit=100`);
          const notices = JSON.parse(text) as { title?: string; message: string }[];
          told.push(...notices.filter(({ title }) => /expired/i.test(title ?? '')).map(({ message }) => message));
        }
        return orders.flatMap(({ id }) => {
          const times = told.filter((message) => message.includes(id)).length;
          return times === 1 ? [] : [`${id} ${times} times`];
        });
      }, settleMs);
      claim('each user is told once of each order', untold.length === 0, untold[0] ?? `${orders.length} notifications`);
      await platform.deploy(['billing-service'], {});
    },
  };
}

function count(values: readonly string[]): string {
  return [...Map.groupBy(values, (value) => value)].map(([value, all]) => `${value} ${all.length}`).join(', ');
}
