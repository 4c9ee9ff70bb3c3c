// One phone, as a process of its own. It outlives the instance that started it: whichever instance of its host looks after it
// says so through the control socket, and when none has done that for so long, the phone ends by itself.
//
//   node device-process.ts <control socket> <id> <address> <orphan ms> <name>=<port> …
//
// Prints one line when all ports are open, `listening`, or why they are not, and nothing after it.
import { rmSync, writeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';

const [controlPath = '', id = '', address = '', orphanMs = '', ...ports] = process.argv.slice(2);
/** Counts by the monotonic clock: a clock that is set ends no phone. */
const orphanTimer = setTimeout(() => process.exit(0), Number(orphanMs));

function listen(server: Server, where: { port: number; host: string } | { path: string }): Promise<void> {
  server.on('connection', (socket) => socket.on('error', () => undefined));
  return new Promise((resolve, reject) => server.once('error', reject).listen(where, resolve));
}

function tellStarter(line: string): void {
  try {
    writeSync(1, `${line}\n`);
  } catch {
    // It is gone. Another instance finds this phone by its control socket.
  }
}

/** `touch`: somebody looks after this phone; the answer says how it is. `end`: it is not wanted any more. */
function answer(socket: Socket, command: string): void {
  orphanTimer.refresh();
  if (command === 'touch') socket.write(`${JSON.stringify({ id, pid: process.pid, upMs: process.uptime() * 1000 })}\n`);
  if (command === 'end') process.exit(0);
}

function serveControl(socket: Socket): void {
  let rest = '';
  socket.setEncoding('utf8').on('data', (part: string) => {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) answer(socket, line);
  });
}

process.on('SIGTERM', () => process.exit(0));

try {
  for (const part of ports) {
    const [name, port] = part.split('=');
    await listen(
      createServer((socket) => socket.end(`device ${id} ${name}\n`)),
      { port: Number(port), host: address },
    );
  }
  // Whoever has the ports is the phone: only then may it take the place of a socket that an earlier process left.
  rmSync(controlPath, { force: true });
  await listen(createServer(serveControl), { path: controlPath });
  tellStarter('listening');
} catch (error) {
  tellStarter((error as Error).message);
  process.exit(1);
}
