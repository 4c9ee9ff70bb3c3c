import { createHmac, randomUUID } from 'node:crypto';
import type { Ask } from './ask.ts';
import type { Platform } from './platform.ts';

/** A user, and what is done in his name. Where nobody has to log in, a name is all there is to a user. */
export interface Account {
  readonly name: string;
  readonly userId: string;
  /** Of requests: the gateway goes by the token, and services by the user that the gateway would tell them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly token?: string;
}

export interface OpenAccountOptions {
  readonly platform: Platform;
  readonly ask: Ask;
}

/** A user for this run; one who is registered and has logged in, where the platform wants that. */
export async function openAccount(name: string, { platform, ask }: OpenAccountOptions): Promise<Account> {
  if (!platform.mustLogIn) return { name, userId: name, headers: {} };
  const json = { username: `${name}-${randomUUID().slice(0, 8)}`, password: randomUUID() };
  const users = `${platform.url('api-gateway')}/api/users`;
  await ask(`${users}/register`, { json });
  const { status, body, text } = await ask(`${users}/login`, { json });
  if (status !== 200) throw new Error(`${name} cannot log in: ${status} ${text}`);
  const [userId, token] = [String(body.userId), String(body.token)];
  return { name, userId, token, headers: { authorization: `Bearer ${token}`, 'x-user-id': userId } };
}

/** What the payment provider sends along with a form, where the platform wants it signed. */
export function signatureOf(
  form: Readonly<Record<string, string>>,
  { paymentSecret }: Platform,
): Record<string, string> {
  if (paymentSecret === undefined) return {};
  const digest = createHmac('sha256', paymentSecret).update(new URLSearchParams(form).toString()).digest('hex');
  return { 'x-payment-signature': `sha256=${digest}` };
}
