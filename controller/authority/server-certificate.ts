import type { Server as HttpsServer } from 'node:https';
import { hostname, networkInterfaces } from 'node:os';
import type { Logger } from '../../shared/runtime/logger.ts';
import type { CertificateAuthority } from './certificate-authority.ts';

/** Looked at twice a day; renewed when less than a third of its 90 days is left. */
const lookIntervalMs = 43_200_000;
const renewBeforeMs = 30 * 86_400_000;

/** Replaces the certificate of a running server before it ends; connections are not touched. Returns how to stop. */
export function keepServerCertificate(
  server: HttpsServer,
  authority: CertificateAuthority,
  names: readonly string[],
  { expiresAt, logger }: { expiresAt: number; logger: Logger },
): () => void {
  let endsAt = expiresAt;
  const renew = async () => {
    if (endsAt - Date.now() > renewBeforeMs) return;
    try {
      const issued = await authority.issueServer(names);
      server.setSecureContext({ key: issued.key, cert: issued.certificate, ca: authority.certificate });
      endsAt = issued.expiresAt;
    } catch (error) {
      logger.error('the server certificate could not be renewed', { endsAt, error });
    }
  };
  const timer = setInterval(renew, lookIntervalMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** All names under which this host may be called: loopback, its addresses, its host name, and what it advertises. */
export function serverNames(advertised: string, listen: string): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address.split('%')[0] ?? address),
  );
  const names = [
    'localhost',
    '127.0.0.1',
    '::1',
    hostname(),
    new URL(advertised).hostname.replace(/^\[|\]$/g, ''),
    listen,
    ...addresses,
  ];
  return [...new Set(names.filter((name) => name !== '' && name !== '0.0.0.0' && name !== '::'))];
}
