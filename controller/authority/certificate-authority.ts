import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { DroverError } from '../../shared/contracts/drover-error.ts';

/**
 * The authority of one cluster: ECDSA P-256, made by the first controller. Controllers get server certificates, agents
 * client certificates whose CN is the node id and whose O is the role; a role is what the API authorises by.
 */
export interface CertificateAuthority {
  readonly certificate: string;
  /** SHA-256 of the certificate's DER, hex: what join tokens carry. */
  readonly digest: string;
  issueServer(names: readonly string[]): Promise<{ certificate: string; key: string; expiresAt: number }>;
  /** @throws DroverError ARGUMENT_INVALID when the request is malformed or its signature is wrong. */
  issueNode(csr: string, nodeId: string): Promise<string>;
}

export const agentRole = 'drover:agent';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
/** Ten years: an authority that ends earlier than its cluster is an outage of the whole cluster. */
const authorityMs = 3_650 * dayMs;
/** Re-issued by a running controller long before (see `expiresAt`). */
const serverMs = 90 * dayMs;
/** Five years: a host may be switched off for long, and there is no renewal on the wire yet. */
const nodeMs = 1_825 * dayMs;
/** Clocks of hosts may be this far behind. */
const backdateMs = dayMs;

/** Makes a new authority; the private key is PKCS #8 PEM. */
export async function createAuthorityMaterial(clusterId: string): Promise<{ certificate: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Drover ${clusterId}, O=drover:authority`,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(now + authorityMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

export async function openAuthority(material: { certificate: string; key: string }): Promise<CertificateAuthority> {
  const authority = new x509.X509Certificate(material.certificate);
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    x509.PemConverter.decodeFirst(material.key),
    algorithm,
    false,
    ['sign'],
  );
  const issue = async (
    subject: string,
    publicKey: x509.PublicKeyType,
    lifeMs: number,
    extensions: x509.Extension[],
  ) => {
    const now = Date.now();
    return x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject,
      issuer: authority.subject,
      notBefore: new Date(now - backdateMs),
      notAfter: new Date(now + lifeMs),
      signingAlgorithm: algorithm,
      publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.AuthorityKeyIdentifierExtension.create(authority),
        ...extensions,
      ],
    });
  };

  return {
    certificate: material.certificate,
    digest: certificateDigest(material.certificate),
    async issueServer(names) {
      const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const certificate = await issue('CN=drover controller, O=drover:controller', keys.publicKey, serverMs, [
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((name) => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name })),
        ),
      ]);
      return {
        certificate: certificate.toString('pem'),
        key: await exportKey(keys.privateKey),
        expiresAt: certificate.notAfter.getTime(),
      };
    },
    async issueNode(csr, nodeId) {
      let request: x509.Pkcs10CertificateRequest;
      try {
        request = new x509.Pkcs10CertificateRequest(csr);
        if (!(await request.verify())) throw new Error('its signature does not fit its key');
      } catch (error) {
        throw new DroverError('ARGUMENT_INVALID', `The certificate request is not valid: ${(error as Error).message}`, {
          issues: [
            { path: 'body.csr', reason: 'is not a valid PKCS #10 request', allowed: 'PEM, signed by its own key' },
          ],
          cause: error,
        });
      }
      const certificate = await issue(`CN=${nodeId}, O=${agentRole}`, request.publicKey, nodeMs, [
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      ]);
      return certificate.toString('pem');
    },
  };
}

/** SHA-256 (hex) of a PEM certificate's DER. */
export function certificateDigest(certificate: string): string {
  return createHash('sha256')
    .update(Buffer.from(x509.PemConverter.decodeFirst(certificate)))
    .digest('hex');
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

/** 127 random bits: positive, and not to be guessed. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return bytes.toString('hex');
}
