import { once } from 'node:events';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import type { Lifetime } from '../../support/lifetime.ts';

export interface Notification {
  readonly id: string;
  readonly userId: string;
  readonly message: string;
  readonly sentAt: string;
}

/** A client that writes down what it hears. */
export interface Client {
  readonly heard: Notification[];
  readonly closedWith: () => number | string | undefined;
  close(): void;
}

export const messages = ({ heard }: Client) => heard.map(({ message }) => message);
export const user = (userId: string) => `?userId=${userId}`;

export async function openPlain(
  t: Lifetime,
  url: string,
  query = '',
): Promise<Client & { readonly socket: WebSocket }> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/notifications${query}`);
  const heard: Notification[] = [];
  let code: number | undefined;
  socket.on('message', (data) => heard.push(JSON.parse(String(data))));
  socket.on('error', () => {});
  socket.on('close', (closeCode) => {
    code = closeCode;
  });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return { socket, heard, closedWith: () => code, close: () => socket.close() };
}

export async function openSocketIo(
  t: Lifetime,
  url: string,
  auth: object,
): Promise<Client & { readonly socket: Socket; readonly drained: unknown[] }> {
  const socket: Socket = io(`${url}/notifications`, { transports: ['websocket'], auth, forceNew: true });
  const heard: Notification[] = [];
  const drained: unknown[] = [];
  let reason: string | undefined;
  socket.on('notification', (notification) => heard.push(notification));
  socket.on('drover:drain', (told) => drained.push(told));
  socket.on('disconnect', (why) => {
    reason = why;
  });
  t.after(() => void socket.close());
  await new Promise((resolve) => socket.once('welcome', resolve));
  return { socket, heard, drained, closedWith: () => reason, close: () => void socket.close() };
}

export async function send(
  url: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${url}/notifications/send`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
