import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, type ProcessIdentity, readProcessIdentity } from '../../agent/process/process-identity.ts';

/** Makes this process the only one that runs a local cluster in `directory`; returns how to give it back. */
export async function claimDirectory(directory: string): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'owner.json');
  const owner = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as ProcessIdentity,
    () => null,
  );
  if (owner !== null && isAlive(owner)) {
    throw new Error(
      `A local cluster runs in ${directory} already, started by process ${owner.pid}; stop that with Ctrl-C first`,
    );
  }
  await writeFile(file, JSON.stringify(readProcessIdentity(process.pid)), { mode: 0o600 });
  return () => rm(file, { force: true });
}
