import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

import { eventually } from './eventually.ts';
import type { Lifetime } from './lifetime.ts';
import { tempDirectory } from './temp-directory.ts';

/** A real PostgreSQL that belongs to one test; reached by a socket in its own directory, so it takes no port. */
export interface TestPostgres {
  /** What `pg.Client` and `pg.Pool` need to connect. */
  readonly config: { readonly host: string; readonly port: number; readonly user: string; readonly database: string };
  readonly pid: number;
  /** A connected client; it is closed with the test. */
  client(): Promise<pg.Client>;
}

/** Debian keeps the programs of each version off the path. */
const debianVersions = '/usr/lib/postgresql';
const setpriv = '/usr/bin/setpriv';
/** Part of the socket's name only. */
const port = 5432;

/** Pass it as `skip` of a test: false where PostgreSQL is installed, else what to do about it. */
export const skipWithoutPostgres: string | false =
  findPrograms() === undefined ? 'PostgreSQL IS NOT INSTALLED: apt-get install postgresql, then run this again' : false;

/** Starts a private PostgreSQL in a directory of its own; both go when the test ends. */
export async function startPostgres(t: Lifetime): Promise<TestPostgres> {
  const programs = findPrograms();
  if (programs === undefined) throw new Error(String(skipWithoutPostgres));
  let server: ChildProcess | undefined;
  const clients: pg.Client[] = [];
  const directory = tempDirectory({
    after: (removeDirectory) =>
      t.after(async () => {
        await Promise.all(clients.map((client) => client.end().catch(() => {})));
        if (server !== undefined && server.exitCode === null && server.signalCode === null) {
          server.ref();
          const exited = once(server, 'exit');
          // SIGQUIT ends it at once, its children too.
          server.kill('SIGQUIT');
          await exited;
        }
        await removeDirectory();
      }),
  });
  const user = unprivilegedUser();
  const data = join(directory, 'data');
  mkdirSync(data);
  for (const path of [directory, data]) if (user !== undefined) chownSync(path, user.uid, user.gid);

  const initialized = spawnSync(
    ...asUser(user, [
      ...[join(programs, 'initdb'), '--pgdata', data, '--username', 'drover', '--auth', 'trust'],
      ...['--no-sync', '--encoding', 'UTF8', '--locale', 'C'],
    ]),
    { encoding: 'utf8', cwd: directory },
  );
  if (initialized.status !== 0) throw new Error(`initdb failed: ${initialized.stderr}`);

  const started = spawn(
    ...asUser(user, [
      ...[join(programs, 'postgres'), '-D', data, '-k', directory, '-c', 'listen_addresses=', '-c', 'fsync=off'],
      ...['-p', `${port}`, '-c', 'logging_collector=off', '-c', 'max_connections=200', '-c', 'shared_buffers=16MB'],
    ]),
    { stdio: 'ignore', cwd: directory },
  );
  server = started;
  const config = { host: directory, port, user: 'drover', database: 'postgres' };
  await eventually(
    () => {
      const pidFile = join(data, 'postmaster.pid');
      return existsSync(pidFile) && /^ready\s*$/m.test(readFileSync(pidFile, 'utf8'));
    },
    { timeoutMs: 20_000 },
  );
  started.unref();
  return {
    config,
    pid: started.pid!,
    async client() {
      const client = new pg.Client(config);
      client.on('error', () => {});
      clients.push(client);
      await client.connect();
      return client;
    },
  };
}

function findPrograms(): string | undefined {
  const versions = existsSync(debianVersions) ? readdirSync(debianVersions) : [];
  const folders = versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(debianVersions, version, 'bin'));
  return [...folders, '/usr/local/bin', '/usr/bin'].find((folder) => existsSync(join(folder, 'initdb')));
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = ['-u', '-g'].map((option) => Number(execFileSync('id', [option, 'nobody'], { encoding: 'utf8' })));
  return { uid: uid!, gid: gid! };
}

/** The command as that user, ended by the kernel should the test process die without running its clean-up. */
function asUser(user: User | undefined, command: readonly string[]): [command: string, args: string[]] {
  const as = user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
  return [setpriv, ['--pdeathsig', 'QUIT', ...as, ...command]];
}
