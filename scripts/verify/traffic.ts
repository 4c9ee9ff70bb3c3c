import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../cluster/wait-until.ts';
import { type Answer, type Ask, type AskTally, askOnce, createAsk } from './ask.ts';
import { type Device, sharedPorts, untilAnswered } from './checks/device-ports.ts';
import { balanceOf } from './checks/payment.ts';
import { type Follower, followBySocketIo, followByWebSocket } from './follow-notifications.ts';
import { openAccount, signatureOf } from './open-account.ts';
import type { Platform, ServiceName } from './platform.ts';
import { slowClients } from './slow-clients.ts';
import type { MakeClaim } from './verification.ts';
import type { Visitor } from './visitor.ts';

/**
 * Clients of the platform, at work while something is done to it: they order and pay, are notified, make and delete devices,
 * and use a session; some of them on slow lines. Each repeats what failed, as clients do, and keeps a ledger of what it was told.
 */
export interface Traffic {
  readonly tally: AskTally;
  /** Requests so far that were under way for four seconds or more, by the service that they were for. */
  readonly slowRequests: ReadonlyMap<ServiceName, number>;
  /** Connections of those who are notified, by their kind. */
  connections(): readonly (Pick<Follower, 'connects' | 'brokenOff'> & { readonly kind: string })[];
  /** Lets what is under way end, then compares the ledgers with what the platform says. */
  stop(claim: MakeClaim): Promise<void>;
  /** Ends all connections, and begins nothing more. */
  close(): void;
}

const deliveriesAtOnce = 3;
const devicesKept = 4;
/** For what was on its way when the last request was made. */
const settleMs = 30_000;

export async function startTraffic(platform: Platform): Promise<Traffic> {
  const tally: AskTally = { requests: 0, failures: [] };
  const repeat = createAsk(tally);
  /** An answer that is not wanted is a failure, too. */
  const ask: Ask = async (url, question) => {
    const answer = await repeat(url, question);
    if (answer.status >= 400) tally.failures.push(`${url}: ${answer.status} ${answer.text.slice(0, 120)}`);
    return answer;
  };
  const followers: [string, Follower][] = [];
  const slow = await slowClients(platform, ask);
  const visitors = await Promise.all([
    payer(platform, ask),
    listener(platform, ask, followers),
    owner(platform, ask),
    member(platform, ask),
    ...slow.visitors,
  ]);
  const stopping = new AbortController();
  const problems: string[] = [];
  const working = visitors.map(async ({ act, pauseMs }) => {
    while (!stopping.signal.aborted) {
      await act().catch((error: Error) => problems.push(error.message));
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  });
  return {
    tally,
    slowRequests: slow.requests,
    connections: () => followers.map(([kind, { connects, brokenOff }]) => ({ kind, connects, brokenOff })),
    async stop(claim) {
      stopping.abort();
      await Promise.all(working);
      claim('every request is answered in the end', problems.length === 0, problems[0] ?? `${tally.requests} requests`);
      // Clients of one kind promise the same.
      const told = new Map<string, { kept: boolean; readonly measured: string[] }>();
      try {
        for (const { audit } of visitors) {
          await audit((promise, kept, measured) => {
            const before = told.get(promise) ?? { kept: true, measured: [] };
            told.set(promise, { kept: before.kept && kept, measured: [...before.measured, measured] });
          });
        }
      } finally {
        for (const [promise, { kept, measured }] of told) claim(promise, kept, measured.join('; '));
      }
    },
    close() {
      stopping.abort();
      for (const { close } of visitors) close?.();
    },
  };
}

/** Orders, and a provider that tells each payment three times at once. */
async function payer(platform: Platform, ask: Ask): Promise<Visitor> {
  const account = await openAccount(`payer-${randomUUID().slice(0, 8)}`, { platform, ask });
  const { userId, headers } = account;
  const paid = new Map<string, number>();
  let unlike = 0;
  return {
    pauseMs: 150,
    async act() {
      const amount = 1 + Math.floor(Math.random() * 100);
      const { body } = await ask(`${platform.url('api-gateway')}/api/billing/orders`, {
        json: { userId, planId: 'basic', amount },
        headers,
      });
      const form = { orderId: String(body.id), status: 'paid' };
      const signed = signatureOf(form, platform);
      const answers = await Promise.all(
        Array.from({ length: deliveriesAtOnce }, () =>
          ask(`${platform.url('billing-service')}/webhooks/payment`, { form, headers: signed }),
        ),
      );
      if (new Set(answers.map(({ text }) => text)).size > 1) unlike += 1;
      paid.set(form.orderId, amount);
    },
    async audit(claim) {
      const expected = [...paid.values()].reduce((sum, amount) => sum + amount, 0);
      const balance = await balanceOf(ask, platform, account);
      claim(
        'nothing is paid twice or lost',
        paid.size > 0 && balance === expected,
        `${paid.size} orders, ${paid.size * deliveriesAtOnce} callbacks, ${balance} credited of ${expected}`,
      );
      const unpaid = [];
      for (const id of paid.keys()) {
        const { body } = await ask(`${platform.url('billing-service')}/orders/${id}`, { headers });
        if (body.status !== 'PAID') unpaid.push(`${id} is ${String(body.status)}`);
      }
      claim('every order is paid', unpaid.length === 0, unpaid[0] ?? `${paid.size} orders`);
      claim('all deliveries of a payment are answered alike', unlike === 0, `${unlike} were not`);
    },
  };
}

/** Two clients of one user, one of each kind, to whom somebody sends all the time. */
async function listener(platform: Platform, ask: Ask, followers: [kind: string, Follower][]): Promise<Visitor> {
  const account = await openAccount(`listener-${randomUUID().slice(0, 8)}`, { platform, ask });
  followers.push(['WebSocket', await followByWebSocket(platform.url('api-gateway'), account)]);
  followers.push(['Socket.IO', await followBySocketIo(platform.url('notification-service'), account)]);
  const sent: string[] = [];
  return {
    pauseMs: 100,
    async act() {
      const id = randomUUID();
      await ask(`${platform.url('notification-service')}/notifications/send`, {
        json: { userId: account.userId, message: `${sent.length}`, id },
      });
      sent.push(id);
    },
    async audit(claim) {
      for (const [kind, { heard, connects }] of followers) {
        const lost = () => sent.filter((id) => !heard.some((one) => one.id === id));
        await waitUntil('the last notifications', async () => lost().length === 0, { timeoutMs: settleMs }).catch(
          () => undefined,
        );
        const twice = heard.length - new Set(heard.map(({ id }) => id)).size;
        claim(
          `no notification is lost or heard twice by ${kind}`,
          sent.length > 0 && lost().length === 0 && twice === 0,
          `${lost().length} lost of ${sent.length}, ${twice} heard twice, connected ${connects} times`,
        );
      }
    },
    close() {
      for (const [, follower] of followers) follower.close();
    },
  };
}

/** Makes devices, and deletes the oldest. */
async function owner(platform: Platform, ask: Ask): Promise<Visitor> {
  const { userId, headers } = await openAccount(`owner-${randomUUID().slice(0, 8)}`, { platform, ask });
  const devices = `${platform.url('api-gateway')}/api/devices`;
  const kept: Device[] = [];
  const refused: Answer[] = [];
  return {
    pauseMs: 700,
    async act() {
      const once = { ...headers, 'idempotency-key': randomUUID() };
      const created = await ask(devices, { json: { userId, name: 'phone' }, headers: once });
      if (created.status !== 201) refused.push(created);
      else kept.push(created.body as unknown as Device);
      if (kept.length > devicesKept) await ask(`${devices}/${kept.shift()!.id}`, { method: 'DELETE', headers });
    },
    async audit(claim) {
      claim(
        'every device that was asked for is made',
        kept.length > 0 && refused.length === 0,
        refused[0]?.text ?? `${kept.length} are left`,
      );
      const all: Device[] = [];
      for (let after = ''; ; ) {
        const { body } = await ask(`${devices}?limit=500${after}`, { headers });
        const { devices: page, next } = body as unknown as { devices: Device[]; next: string | null };
        // One that is being made has no ports yet.
        all.push(...page.filter(({ state, ports }) => state === 'running' || (state === 'creating' && ports !== null)));
        if (next === null) break;
        after = `&after=${next}`;
      }
      const shared = sharedPorts(all);
      claim(
        'no port is given twice',
        shared.length === 0,
        shared[0] ?? `${all.length} devices, ${all.length * 3} ports`,
      );
      const mine = all.filter(({ id }) => kept.some((one) => one.id === id));
      claim(
        'no device is made twice, and none that is deleted is left',
        mine.length === kept.length && all.filter((one) => one.userId === userId).length === kept.length,
        `${mine.length} of ${kept.length}`,
      );
      const silent = await untilAnswered(platform, kept);
      claim(
        'each port is answered by the device that has it',
        silent.length === 0,
        silent[0] ?? `${kept.length * 3} ports asked`,
      );
      for (const { id } of kept) await ask(`${devices}/${id}`, { method: 'DELETE', headers });
    },
  };
}

/** Somebody who is logged in. */
async function member(platform: Platform, ask: Ask): Promise<Visitor> {
  const json = { username: `member-${randomUUID().slice(0, 8)}`, password: randomUUID() };
  const users = `${platform.url('api-gateway')}/api/users`;
  await ask(`${users}/register`, { json });
  const { body } = await ask(`${users}/login`, { json });
  const headers = { authorization: `Bearer ${String(body.token)}` };
  let [asked, refused] = [0, 0];
  return {
    pauseMs: 100,
    async act() {
      const { status } = await ask(`${users}/me`, { headers });
      asked += 1;
      if (status !== 200) refused += 1;
    },
    async audit(claim) {
      claim('a session is good all the time', asked > 0 && refused === 0, `${refused} of ${asked} refused`);
      await ask(`${users}/logout`, { method: 'POST', headers });
      const { status } = await askOnce(`${users}/me`, { headers });
      claim('and ends when it is ended', status === 401, `${status}`);
    },
  };
}
