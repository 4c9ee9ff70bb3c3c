import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { io as connect, type Socket } from 'socket.io-client';

import { type MountSocketIoOptions, mountSocketIo } from '../../../sdk/socket-io/mount-socket-io.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import type { Lifetime } from '../../support/lifetime.ts';

/** One instance of a Socket.IO service, with clients over WebSocket; it goes with the test. */
export async function startChat(t: Lifetime, redisUrl: string, options: MountSocketIoOptions = {}) {
  const coordination = openCoordination({ url: redisUrl, identity: 'host-a/1' });
  const http = createServer();
  const io = new Server(http, { transports: ['websocket'] });
  const clients: Socket[] = [];
  t.after(async () => {
    for (const client of clients) client.disconnect();
    await io.close();
    await coordination.close();
  });
  const mounted = mountSocketIo(io, coordination, options);
  t.after(() => mounted.close());
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  return {
    io,
    mounted,
    coordination,
    async client(): Promise<Socket> {
      const client = connect(`http://127.0.0.1:${port}`, {
        ...{ transports: ['websocket'], forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 50 },
      });
      clients.push(client);
      await new Promise<void>((resolve) => client.once('connect', () => resolve()));
      return client;
    },
  };
}
