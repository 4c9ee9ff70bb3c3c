import type { OpenCoordination } from '../../../shared/coordination/open-coordination.ts';
import type { ClusterIdentity, Store } from '../../../shared/redis/store/store.ts';
import type { CertificateAuthority } from '../../authority/certificate-authority.ts';
import type { SessionServer } from '../../realtime/session-server.ts';

/** What handlers need of the world; ids, secrets and time are given so that tests can fix them. */
export interface HandlerDeps {
  readonly store: Store;
  readonly authority: CertificateAuthority;
  readonly identity: ClusterIdentity;
  readonly sessions: Pick<SessionServer, 'readLogs'>;
  /** What services coordinate through. */
  readonly services: OpenCoordination;
  readonly leader: () => Promise<{ controllerId: string; term: number } | null>;
  readonly version: string;
  readonly maxArtifactBytes: number;
  /** `prefix-` and 10 random base-36 characters. */
  readonly newId: (prefix: string) => string;
  /** 32 random letters and digits. */
  readonly newSecret: () => string;
  readonly nowMs: () => number;
}
