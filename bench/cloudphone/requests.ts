import { Agent, request } from 'undici';

/** Where a platform, or a part of one, is reached. */
export interface Addresses {
  readonly gateway: string;
  /** Payment providers do not go through the gateway. */
  readonly billing: string;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface Client {
  send(method: 'GET' | 'POST' | 'DELETE', url: string, body?: unknown): Promise<Answer>;
  close(): Promise<void>;
}

/** More than any load here has under way. */
const connections = 128;

/** Requests over kept connections, in the name of a user where there is a token. */
export function createClient(token?: string): Client {
  const dispatcher = new Agent({ connections, keepAliveTimeout: 30_000 });
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return {
    async send(method, url, body) {
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const text = body === undefined ? null : JSON.stringify(body);
      const answer = await request(url, { method, dispatcher, body: text, headers: { ...authorization, ...type } });
      const received = await answer.body.text();
      return { status: answer.statusCode, body: received === '' ? undefined : JSON.parse(received) };
    },
    close: () => dispatcher.close(),
  };
}

/** @throws Error for an answer that is no success */
export async function mustSend(client: Client, ...call: Parameters<Client['send']>): Promise<Record<string, unknown>> {
  const { status, body } = await client.send(...call);
  if (status < 300) return (body ?? {}) as Record<string, unknown>;
  throw new Error(`${call[0]} ${call[1]} was answered with ${status}: ${JSON.stringify(body)}`);
}

export interface User {
  readonly id: string;
  readonly client: Client;
}

/** Registers a user and logs it in. */
export async function logIn(gateway: string, username: string): Promise<User> {
  const stranger = createClient();
  const credentials = { username, password: 'correct horse battery' };
  await mustSend(stranger, 'POST', `${gateway}/api/users/register`, credentials);
  const { token } = await mustSend(stranger, 'POST', `${gateway}/api/users/login`, credentials);
  await stranger.close();
  const client = createClient(String(token));
  const { userId } = await mustSend(client, 'GET', `${gateway}/api/users/me`);
  return { id: String(userId), client };
}

/** One kind of request of the mixed load, and how many of a hundred requests it is. */
export interface Kind {
  readonly name: string;
  readonly percent: number;
  /** What has to be there before; unmeasured. */
  prepare?(): Promise<string>;
  /** Answers the status. */
  send(prepared: string): Promise<number>;
}

/** What users of the platform do, but for devices, which are processes: they would be a measure of the machine. */
export function mixedKinds({ gateway, billing }: Addresses, { id: userId, client }: User): Kind[] {
  const api = `${gateway}/api`;
  const order = { userId, planId: 'basic', amount: 100 };
  const place = async () => String((await mustSend(client, 'POST', `${api}/billing/orders`, order)).id);
  const status = async (...call: Parameters<Client['send']>) => (await client.send(...call)).status;
  let known: Promise<string> | undefined;
  const knownOrder = () => {
    known ??= place();
    return known;
  };
  const stranger = createClient();
  const pay = async (orderId: string) =>
    (await stranger.send('POST', `${billing}/webhooks/payment`, { orderId, status: 'paid' })).status;
  const note = { userId, message: 'Your order is on its way' };
  return [
    { name: 'readOrder', percent: 40, prepare: knownOrder, send: (id) => status('GET', `${api}/billing/orders/${id}`) },
    { name: 'listDevices', percent: 15, send: () => status('GET', `${api}/devices`) },
    { name: 'readUser', percent: 15, send: () => status('GET', `${api}/users/me`) },
    { name: 'createOrder', percent: 10, send: () => status('POST', `${api}/billing/orders`, order) },
    { name: 'payCallback', percent: 10, prepare: place, send: pay },
    { name: 'notify', percent: 10, send: () => status('POST', `${api}/notifications/send`, note) },
  ];
}
