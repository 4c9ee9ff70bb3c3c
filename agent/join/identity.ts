import { readFileSync, rmSync } from 'node:fs';
import { z } from 'zod';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { idSchema } from '../../shared/contracts/entities.ts';
import { sha256Schema } from '../../shared/contracts/spec.ts';
import type { DataPaths } from '../data-paths.ts';
import { writeFileDurably } from '../write-file-durably.ts';

const identityFileSchema = z.object({
  nodeId: idSchema,
  clusterCaDigest: sha256Schema,
  controllers: z.array(z.string()).min(1),
});

/** Who this host is in its cluster. The key was made here and has never left. */
export interface NodeIdentity extends z.infer<typeof identityFileSchema> {
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
}

/** Null on a host that has not joined. @throws DroverError FILE_INVALID when the files are damaged. */
export function loadIdentity(paths: DataPaths): NodeIdentity | null {
  let text: string;
  try {
    text = readFileSync(paths.identity, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw damaged(paths, error);
  }
  try {
    return {
      ...identityFileSchema.parse(JSON.parse(text)),
      key: readFileSync(paths.key, 'utf8'),
      certificate: readFileSync(paths.certificate, 'utf8'),
      authority: readFileSync(paths.authority, 'utf8'),
    };
  } catch (error) {
    throw damaged(paths, error);
  }
}

function damaged({ root, identity }: DataPaths, cause: unknown): DroverError {
  return new DroverError(
    'FILE_INVALID',
    `The identity in ${root} cannot be read (${(cause as Error).message}). If it is damaged, remove ${identity} and join again with a new token`,
    { cause },
  );
}

/** Writes the identity; `identity.json` comes last, so a host has joined wholly or not at all. */
export function saveIdentity(paths: DataPaths, identity: NodeIdentity): void {
  const { key, certificate, authority, ...file } = identity;
  writeFileDurably(paths.key, key);
  writeFileDurably(paths.certificate, certificate);
  writeFileDurably(paths.authority, authority);
  writeFileDurably(paths.identity, JSON.stringify(file));
}

/** Remembers where to look for controllers, so that a restart finds one even if the first is gone. */
export function rememberControllers(paths: DataPaths, identity: NodeIdentity, controllers: readonly string[]): void {
  const { nodeId, clusterCaDigest } = identity;
  writeFileDurably(paths.identity, JSON.stringify({ nodeId, clusterCaDigest, controllers }));
}

/** After the node was removed from its cluster: the certificate is of no use, and the host may join anew. */
export function forgetIdentity(paths: DataPaths): void {
  for (const path of [paths.identity, paths.plan, paths.key, paths.certificate, paths.authority]) {
    rmSync(path, { force: true });
  }
}
