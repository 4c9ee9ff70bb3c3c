import { createHash, webcrypto, X509Certificate } from 'node:crypto';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import type { NodeFacts } from '../../shared/contracts/entities.ts';
import { parseJoinToken } from '../../shared/contracts/join-token.ts';
import { operations } from '../../shared/contracts/operations.ts';
import type { DataPaths } from '../data-paths.ts';
import { requestJson } from '../request-json.ts';
import { type NodeIdentity, saveIdentity } from './identity.ts';

export interface JoinOptions {
  readonly controllerUrl: string;
  readonly token: string;
  readonly facts: NodeFacts;
  /** A host for routers only gets no instances. */
  readonly ineligible?: boolean;
  readonly paths: DataPaths;
}

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/**
 * Registers this host. The controller's authority is taken from the network unverified, compared with the digest that the
 * token carries, and only then trusted; the key is made here and never leaves. On any failure nothing is written.
 *
 * @throws DroverError JOIN_TOKEN_INVALID, CA_MISMATCH, CONTROLLER_UNREACHABLE, or what the controller answered.
 */
export async function join(options: JoinOptions): Promise<NodeIdentity> {
  const { controllerUrl, token, facts, ineligible = false, paths } = options;
  const { caDigest } = parseJoinToken(token);
  const authority = await fetchAuthority(controllerUrl, caDigest);
  const { key, csr } = await createRequest(facts.name);
  const { path, method, response } = operations.joinNode;
  const result = response.parse(
    await requestJson({
      url: new URL(path, controllerUrl),
      method,
      body: { token, csr, facts, eligibility: ineligible ? 'ineligible' : 'eligible' },
      tls: { ca: authority },
    }),
  );
  const identity: NodeIdentity = {
    nodeId: result.nodeId,
    clusterCaDigest: caDigest,
    controllers: [...new Set([...result.controllers, controllerUrl])],
    key,
    certificate: result.certificate,
    authority,
  };
  saveIdentity(paths, identity);
  return identity;
}

async function fetchAuthority(controllerUrl: string, digest: string): Promise<string> {
  const { path, method, response } = operations.getCertificateAuthority;
  const answer = await requestJson({ url: new URL(path, controllerUrl), method, tls: { rejectUnauthorized: false } });
  const { ca } = response.parse(answer);
  const found = createHash('sha256').update(new X509Certificate(ca).raw).digest('hex');
  if (found === digest) return ca;
  throw new DroverError(
    'CA_MISMATCH',
    `The controller at ${controllerUrl} shows the authority ${found.slice(0, 12)}…, but the token is for ` +
      `${digest.slice(0, 12)}…: it is not of the cluster that made the token, or somebody is in between. Nothing was changed`,
    { details: { found, expected: digest } },
  );
}

/** The library is loaded here and not at the top, because a running agent never needs it again. */
async function createRequest(name: string): Promise<{ key: string; csr: string }> {
  await import('reflect-metadata');
  const { Pkcs10CertificateRequestGenerator, PemConverter } = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({
    // The controller names the subject in the certificate; this one only helps people who look at the request.
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: keyAlgorithm,
  });
  const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { key, csr: request.toString('pem') };
}
