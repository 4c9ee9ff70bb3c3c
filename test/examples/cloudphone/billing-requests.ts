import assert from 'node:assert/strict';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the service, compared by the tests
  readonly body: any;
}

export interface PlacedOrder {
  readonly id: string;
  readonly userId: string;
  readonly amount: number;
  readonly status: string;
  readonly expiresAt: string;
}

export async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: text === '' ? undefined : JSON.parse(text) };
}

export function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const json = { 'content-type': 'application/json', ...headers };
  return ask(url, { method: 'POST', headers: json, body: JSON.stringify(body) });
}

/** As `curl -d` would: a form. */
export function payByForm(base: string, form: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const type = { 'content-type': 'application/x-www-form-urlencoded', ...headers };
  return ask(`${base}/webhooks/payment`, { method: 'POST', headers: type, body: form });
}

export async function placeOrder(
  base: string,
  order: { userId?: string; planId?: string; amount?: number } = {},
): Promise<PlacedOrder> {
  const { status, body, text } = await post(`${base}/orders`, {
    userId: 'test',
    planId: 'basic',
    amount: 100,
    ...order,
  });
  assert.equal(status, 201, text);
  return body;
}
