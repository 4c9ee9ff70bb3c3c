import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { completeRouterConfig } from '../../agent/router/config.ts';
import { saveTable } from '../../agent/router/table-file.ts';
import { freePort } from '../../shared/runtime/free-port.ts';

const main = fileURLToPath(import.meta.resolve('../../agent/router/main.ts'));

export interface RoutedService {
  readonly name: string;
  /** Where the router listens for it. */
  readonly routePort: number;
  /** Where its only instance listens. */
  readonly port: number;
}

/** Starts the built-in router in front of services. It serves the table that it finds, so that none has to be sent. */
export async function startRouter(directory: string, services: readonly RoutedService[]): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const config = completeRouterConfig({
    stateDirectory: directory,
    socketPath: join(directory, 'control.sock'),
    listen: `127.0.0.1:${await freePort()}`,
  });
  const configFile = join(directory, 'router-config.json');
  await writeFile(configFile, JSON.stringify(config));
  await saveTable(directory, {
    ...{ epoch: 1, generation: 'bench' },
    services: services.map(({ name, routePort, port }) => ({
      name,
      routes: [{ port: routePort, path: '/' }],
      endpoints: [{ instanceId: `${name}-0`, revision: 1, address: '127.0.0.1', port, weight: 1 }],
    })),
  });
  const child = spawn(process.execPath, [main, configFile], { stdio: 'ignore' });
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
}
