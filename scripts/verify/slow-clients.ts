import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Answer, Ask, Question } from './ask.ts';
import { openAccount } from './open-account.ts';
import type { Platform, ServiceName } from './platform.ts';
import type { Visitor } from './visitor.ts';

/** Of each kind: requests go to whoever has the fewest, so that of two instances each has one under way. */
const clientsOfKind = 2;
/**
 * Longer than the second or two from the end of a route to the signal where nobody waits for requests, and far below the time
 * for which a drain waits.
 */
const slowMs = 4_000;
const contentBytes = 20_000;

export interface SlowClients {
  readonly visitors: readonly Visitor[];
  /** Requests so far that were under way for four seconds or more, by the service that they were for. */
  readonly requests: ReadonlyMap<ServiceName, number>;
}

/**
 * Clients on slow lines: the second half of each request takes its time, so that at any moment, also when an instance is told
 * to end, gateways and services have requests under way. Most are POST, which nobody but the client may send a second time:
 * one that is cut off is a failure.
 */
export async function slowClients(platform: Platform, ask: Ask): Promise<SlowClients> {
  const requests = new Map<ServiceName, number>();
  const openLine = async (): Promise<Line> => {
    const { userId, headers } = await openAccount(`slow-${randomUUID().slice(0, 8)}`, { platform, ask });
    const quickly: AskGateway = (path, question = {}) =>
      ask(`${platform.url('api-gateway')}/api${path}`, { ...question, headers: { ...headers, ...question.headers } });
    const slowTo =
      (service: ServiceName): AskGateway =>
      async (path, question) => {
        const answer = await quickly(path, { ...question, bodyOverMs: slowMs });
        requests.set(service, (requests.get(service) ?? 0) + 1);
        return answer;
      };
    return { userId, quickly, slowTo };
  };
  const kinds = [newcomer, insistentOwner, uploader, buyer, sender];
  const visitors = Array.from({ length: clientsOfKind }, () => kinds.map(async (kind) => kind(await openLine())));
  return { visitors: await Promise.all(visitors.flat()), requests };
}

type AskGateway = (path: string, question?: Question) => Promise<Answer>;

/** What a client has: who it is, and its ways to ask the gateway. */
interface Line {
  readonly userId: string;
  readonly quickly: AskGateway;
  readonly slowTo: (service: ServiceName) => AskGateway;
}

/** Registers one name after the other. */
function newcomer({ slowTo }: Line): Visitor {
  const slowly = slowTo('user-service');
  return {
    pauseMs: 0,
    async act() {
      await slowly('/users/register', { json: { username: `slow-${randomUUID()}`, password: randomUUID() } });
    },
    async audit() {},
  };
}

/** Asks for one and the same device again and again. */
function insistentOwner({ userId, quickly, slowTo }: Line): Visitor {
  const slowly = slowTo('device-service');
  const json = { userId, name: 'phone' };
  const headers = { 'idempotency-key': randomUUID() };
  let times = 0;
  return {
    pauseMs: 0,
    async act() {
      const { status } = await slowly('/devices', { json, headers });
      if (status === 201) times += 1;
    },
    async audit(claim) {
      const { body } = await quickly(`/devices?userId=${userId}`);
      const { devices } = body as { devices: readonly { readonly id: string }[] };
      claim('who asks again for a device has one', devices.length === 1, `asked ${times} times, has ${devices.length}`);
      for (const { id } of devices) await quickly(`/devices/${id}`, { method: 'DELETE' });
    },
  };
}

/** Uploads an app, reads it back, and deletes it. */
function uploader({ quickly, slowTo }: Line): Visitor {
  const slowly = slowTo('app-service');
  let [same, different] = [0, 0];
  return {
    pauseMs: 0,
    async act() {
      const content = randomBytes(contentBytes / 2).toString('hex');
      const sha256 = createHash('sha256').update(content).digest('hex');
      const json = { name: 'slow.apk', sizeBytes: content.length, sha256 };
      const { id } = (await slowly('/uploads', { json })).body;
      await slowly(`/uploads/${id}/parts/1`, { bytes: Buffer.from(content) });
      await quickly(`/uploads/${id}/complete`, { method: 'POST' });
      const { text } = await quickly(`/apps/${id}/content`);
      if (text === content) same += 1;
      else different += 1;
      await quickly(`/apps/${id}`, { method: 'DELETE' });
    },
    async audit(claim) {
      claim(
        'an app has the bytes that were sent slowly',
        same > 0 && different === 0,
        `${same} apps, ${different} not`,
      );
    },
  };
}

/** Orders, and does not pay. */
function buyer({ userId, quickly, slowTo }: Line): Visitor {
  const slowly = slowTo('billing-service');
  const json = { userId, planId: 'basic', amount: 1 };
  const told = new Set<unknown>();
  return {
    pauseMs: 0,
    async act() {
      told.add((await slowly('/billing/orders', { json })).body.id);
    },
    async audit(claim) {
      const { text } = await quickly(`/billing/orders?userId=${userId}&limit=1000`);
      const orders = JSON.parse(text) as readonly { readonly id: string }[];
      const known = orders.filter(({ id }) => told.has(id)).length;
      claim('every order that was answered is there', known > 0 && known === told.size, `${known} of ${told.size}`);
    },
  };
}

/** Sends notifications to himself, and is not there. */
function sender({ userId, slowTo }: Line): Visitor {
  const slowly = slowTo('notification-service');
  return {
    pauseMs: 0,
    async act() {
      await slowly('/notifications/send', { json: { userId, message: 'hello' } });
    },
    async audit() {},
  };
}
