import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DroverError } from '../shared/contracts/drover-error.ts';

/** `sun_path` of Linux holds 108 bytes with the closing NUL; some room is left for other systems' smaller ones. */
const maxSocketPathBytes = 100;

export interface DataPaths {
  readonly root: string;
  readonly identity: string;
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
  readonly plan: string;
  readonly agent: string;
  readonly contact: string;
  readonly bundles: string;
  readonly artifacts: string;
  /** What was begun of jobs. */
  readonly runs: string;
  readonly dependencies: string;
  readonly logs: string;
  readonly router: string;
  readonly routerSocket: string;
  readonly compileCache: string;
  /** True when the data directory's own path is too long for a socket, and sockets are kept in the directory for temporary files. */
  readonly socketsElsewhere: boolean;
  bundle(service: string, revision: number): string;
  shimSocket(service: string, revision: number): string;
  runSocket(runId: string): string;
  serviceLogs(service: string): string;
}

/**
 * Where everything of one node is. Creates the directory (mode 0700) when it is missing, since it holds keys and secrets.
 *
 * @throws DroverError ARGUMENT_INVALID when it cannot be made, or when its sockets would not be its own.
 */
export function openDataDirectory(directory: string): DataPaths {
  let root: string;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    root = realpathSync(directory);
  } catch (error) {
    throw new DroverError(
      'ARGUMENT_INVALID',
      `The data directory ${directory} cannot be made: ${(error as Error).message}. Name another one with --data`,
      { cause: error },
    );
  }
  const ownSockets = join(root, 'run');
  const socketsElsewhere = Buffer.byteLength(socketPath(ownSockets, 'any')) > maxSocketPathBytes;
  const sockets = socketsElsewhere ? join(tmpdir(), `drover-${shortHash(root)}`) : ownSockets;
  mkdirSync(sockets, { recursive: true, mode: 0o700 });
  if (socketsElsewhere) refuseForeign(sockets);
  return {
    root,
    identity: join(root, 'identity.json'),
    key: join(root, 'key.pem'),
    certificate: join(root, 'cert.pem'),
    authority: join(root, 'ca.pem'),
    plan: join(root, 'plan.json'),
    agent: join(root, 'agent.json'),
    contact: join(root, 'contact.json'),
    bundles: join(root, 'bundles'),
    artifacts: join(root, 'artifacts'),
    runs: join(root, 'runs'),
    dependencies: join(root, 'dependencies'),
    logs: join(root, 'logs'),
    router: join(root, 'router'),
    routerSocket: socketPath(sockets, 'router'),
    compileCache: join(root, 'compile-cache'),
    socketsElsewhere,
    bundle: (service, revision) => join(root, 'bundles', bundleKey(service, revision)),
    shimSocket: (service, revision) => socketPath(sockets, bundleKey(service, revision)),
    runSocket: (runId) => socketPath(sockets, `run@${runId}`),
    serviceLogs: (service) => join(root, 'logs', service),
  };
}

/** Names the bundle of one revision, in maps and as a directory. */
export function bundleKey(service: string, revision: number): string {
  return `${service}@${revision}`;
}

/** In a directory that everybody may write to, somebody may have made ours first, to listen in our place. */
function refuseForeign(directory: string): void {
  const found = lstatSync(directory);
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0) return;
  throw new DroverError(
    'ARGUMENT_INVALID',
    `${directory} must be a directory of mode 0700 that belongs to the user of this agent, and it is not. ` +
      'Remove it, or name a shorter data directory with --data',
  );
}

function socketPath(directory: string, name: string): string {
  return join(directory, `${shortHash(name)}.sock`);
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
