import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

export interface BindCheck {
  /** Where the service will listen: `0.0.0.0`, `::`, or one address of the host. */
  readonly address: string;
  /** Also by UDP. */
  readonly udp: boolean;
}

/**
 * Whether this process could listen on the port now: the kernel is the judge. False when somebody has it.
 * @throws Error (EACCES, EADDRNOTAVAIL …) when the address or the port cannot be used at all.
 */
export async function canBind(port: number, { address, udp }: BindCheck): Promise<boolean> {
  return (await canListen(port, address)) && (!udp || (await canBindDatagrams(port, address)));
}

async function canListen(port: number, host: string): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
}

async function canBindDatagrams(port: number, address: string): Promise<boolean> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.bind({ port, address, exclusive: true });
    await once(socket, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    socket.close();
  }
}
