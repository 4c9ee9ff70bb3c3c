import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../shared/runtime/free-port.ts';

/** Finer than what it is compared with is known. */
const lookMs = 2;

/** How long the service of an ecosystem file takes by itself, from the start of its process until it accepts a connection. */
export async function measureOwnStart(ecosystemFile: string): Promise<number> {
  const port = await freePort();
  const startedMs = performance.now();
  const child = spawn(process.execPath, [join(dirname(ecosystemFile), 'server.cjs')], {
    env: { PORT: String(port), HOST: '127.0.0.1' },
    stdio: 'ignore',
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  try {
    while (!(await accepts(port))) {
      if (child.exitCode !== null) throw new Error(`The service ended with ${child.exitCode} before it listened`);
      await sleep(lookMs);
    }
    return performance.now() - startedMs;
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
