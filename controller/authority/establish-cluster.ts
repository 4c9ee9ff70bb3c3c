import { createHmac, randomBytes } from 'node:crypto';
import { mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import type { ClusterIdentity, ClusterStore } from '../../shared/redis/store/store.ts';
import { hashToken } from '../api/authenticate.ts';
import { type CertificateAuthority, createAuthorityMaterial, openAuthority } from './certificate-authority.ts';
import { createClusterKey, readClusterKey, seal, unseal } from './cluster-key.ts';
import { writeSecretFileOnce } from './secret-file.ts';

export interface EstablishedCluster {
  readonly identity: ClusterIdentity;
  readonly authority: CertificateAuthority;
  readonly caFile: string;
  /** Null on a controller that did not set the cluster up. */
  readonly adminTokenFile: string | null;
  /** True when this call set the cluster up: there is no earlier data that could have been lost. */
  readonly isNew: boolean;
  /** A secret that every controller of this cluster derives alike: 43 letters, digits, - and _. */
  readonly deriveSecret: (purpose: string) => string;
}

/**
 * Opens the cluster in the store, or sets it up when the store is empty. The admin token's file is on disk before its
 * hash is in the store, so a crash in between loses nothing; of several controllers that start at once one wins and the
 * others take over what it stored (they need the same cluster key file).
 * @throws DroverError FILE_INVALID when the cluster key is missing or of another cluster.
 */
export async function establishCluster(
  cluster: ClusterStore,
  paths: { data: string; clusterKeyFile: string },
): Promise<EstablishedCluster> {
  await mkdir(paths.data, { recursive: true, mode: 0o700 });
  const adminTokenFile = join(paths.data, 'admin-token');
  const known = await cluster.read();
  const identity = known ?? (await setUp(cluster, paths.clusterKeyFile, adminTokenFile));
  const key = await readClusterKey(paths.clusterKeyFile);
  if (key === null) {
    throw new DroverError(
      'FILE_UNREADABLE',
      `This cluster is set up already, but ${paths.clusterKeyFile} is missing. Copy cluster.key from the data directory of the first controller (mode 0600), or name it with --cluster-key-file`,
    );
  }
  const authority = await openAuthority({
    certificate: identity.caCertificate,
    key: unseal(key, identity.caKeySealed),
  });
  const caFile = join(paths.data, 'ca.pem');
  await writeFile(caFile, identity.caCertificate, { mode: 0o644 });
  const token = await readFile(adminTokenFile, 'utf8').catch(() => null);
  const isOurs = token !== null && hashToken(token.trim()) === identity.adminTokenHash;
  return {
    identity,
    authority,
    caFile,
    adminTokenFile: isOurs ? adminTokenFile : null,
    isNew: known === null && isOurs,
    deriveSecret: (purpose) => createHmac('sha256', key).update(purpose).digest('base64url'),
  };
}

async function setUp(cluster: ClusterStore, clusterKeyFile: string, adminTokenFile: string): Promise<ClusterIdentity> {
  const id = randomBytes(5).toString('hex');
  const key = await createClusterKey(clusterKeyFile);
  const material = await createAuthorityMaterial(id);
  const wroteToken = await writeSecretFileOnce(adminTokenFile, `drva_${randomBytes(24).toString('base64url')}\n`);
  const adminToken = (await readFile(adminTokenFile, 'utf8')).trim();
  const proposal: ClusterIdentity = {
    id,
    generation: randomBytes(8).toString('hex'),
    caCertificate: material.certificate,
    caKeySealed: seal(key, material.key),
    adminTokenHash: hashToken(adminToken),
  };
  const stored = await cluster.initialise(proposal);
  if (wroteToken && stored.adminTokenHash !== proposal.adminTokenHash) await unlink(adminTokenFile);
  return stored;
}
