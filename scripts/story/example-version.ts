import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const example = fileURLToPath(new URL('../../examples/hello', import.meta.url));

/** How a version of the example misbehaves; each is put before the code of the real one. */
const defects = {
  none: '',
  'crashes at start': `
console.error('Error: cannot read configuration: DATABASE_URL is not set');
process.exit(1);
`,
  'never gets ready': `
console.error('waiting for a database that never answers');
setInterval(() => {}, 1000);
require('node:http').Server.prototype.listen = function () { return this; };
`,
  'turns unhealthy': `
{
  const http = require('node:http');
  const create = http.createServer;
  const startedAt = Date.now();
  http.createServer = (handler) =>
    create((request, response) => {
      if (request.url === '/health' && Date.now() - startedAt > 1500) {
        console.error('health: the database connection is lost');
        response.writeHead(503).end('the database connection is lost');
        return;
      }
      handler(request, response);
    });
}
`,
} as const;

export type Defect = keyof typeof defects;

export interface ExampleVersion {
  readonly version: string;
  readonly defect?: Defect;
  readonly instances?: number;
  readonly port: number;
  /** Quicker probes and deadlines than the defaults, so that a broken version is found in seconds. */
  readonly listenTimeoutMs?: number;
}

/** Writes a version of examples/hello into a directory of its own and returns the path of its ecosystem file. */
export async function writeExample(
  workshop: string,
  { version, defect = 'none', instances = 6, port, listenTimeoutMs = 8_000 }: ExampleVersion,
): Promise<string> {
  const directory = join(workshop, 'hello');
  await rm(directory, { recursive: true, force: true });
  await mkdir(workshop, { recursive: true });
  await cp(example, directory, { recursive: true });
  const server = join(directory, 'server.js');
  await writeFile(server, `${defects[defect]}${await readFile(server, 'utf8')}`);
  await writeFile(join(directory, 'version.txt'), `${version}\n`);
  const file = join(directory, 'ecosystem.config.json');
  await rm(join(directory, 'ecosystem.config.cjs'), { force: true });
  const app = {
    name: 'hello',
    script: 'server.js',
    instances,
    wait_ready: false,
    listen_timeout: listenTimeoutMs,
    kill_timeout: 5_000,
    env: { APP_VERSION: version },
    health: { path: '/health', interval: 500, timeout: 2_000, failures: 2 },
    update: { monitorMs: defect === 'none' ? 1_000 : 3_000 },
    route: { port },
  };
  await writeFile(file, `${JSON.stringify({ apps: [app] }, null, 2)}\n`);
  return file;
}
