import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface BenchService {
  readonly name: string;
  readonly instances: number;
}

/** The least that a service is: it listens, and answers. `version` is what makes one deploy differ from the next. */
const server = (version: string) => `// ${version}
const server = require('node:http').createServer((request, response) => response.end('ok\\n'));
process.on('SIGINT', () => server.close(() => process.exit(0)));
server.listen(Number(process.env.PORT), process.env.HOST, () => console.log('listening'));
`;

/** Writes services into a directory and returns the path of their ecosystem file. */
export async function writeBenchServices(
  directory: string,
  services: readonly BenchService[],
  version: string,
): Promise<string> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'server.cjs'), server(version));
  const apps = services.map(({ name, instances }) => ({
    name,
    instances,
    script: 'server.cjs',
    env: { VERSION: version },
    health: '/',
  }));
  const file = join(directory, 'ecosystem.config.json');
  await writeFile(file, JSON.stringify({ apps }));
  return file;
}
