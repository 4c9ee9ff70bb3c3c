import 'reflect-metadata';
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { nodeIdOf } from '../../../controller/api/authenticate.ts';
import {
  certificateDigest,
  createAuthorityMaterial,
  openAuthority,
} from '../../../controller/authority/certificate-authority.ts';

async function request(): Promise<{ csr: string; key: string }> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=ignored, O=drover:controller',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  return {
    csr: csr.toString('pem'),
    key: x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'),
  };
}

test('a node certificate names the node and the role that the authority gives, whatever the request asked for', async (t) => {
  const material = await createAuthorityMaterial('test');
  const authority = await openAuthority(material);
  const { csr, key } = await request();
  const certificate = await authority.issueNode(csr, 'node-1');
  assert.match(new X509Certificate(certificate).subject, /CN=node-1\nO=drover:agent/);
  assert.equal(certificateDigest(material.certificate), authority.digest);

  const issued = await authority.issueServer(['localhost', '127.0.0.1']);
  const seen = Promise.withResolvers<string>();
  const server = createServer(
    {
      key: issued.key,
      cert: issued.certificate,
      ca: material.certificate,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (socket) => {
      seen.resolve(nodeIdOf(socket));
      socket.end();
    },
  ).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client: TLSSocket = connect({ port, host: '127.0.0.1', ca: material.certificate, cert: certificate, key });
  assert.equal(await seen.promise, 'node-1');
  client.destroy();
});

test('a certificate of another authority, or none, is not a node of this cluster', async (t) => {
  const authority = await openAuthority(await createAuthorityMaterial('one'));
  const stranger = await openAuthority(await createAuthorityMaterial('two'));
  const issued = await authority.issueServer(['127.0.0.1']);
  const outcomes: string[] = [];
  const server = createServer(
    {
      key: issued.key,
      cert: issued.certificate,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (socket) => {
      try {
        outcomes.push(nodeIdOf(socket));
      } catch (error) {
        outcomes.push((error as { code: string }).code);
      }
      socket.end();
    },
  ).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const { csr, key } = await request();
  for (const identity of [
    { cert: await stranger.issueNode(csr, 'node-9'), key },
    {},
    { cert: issued.certificate, key: issued.key },
  ]) {
    const client = connect({ port, host: '127.0.0.1', ca: authority.certificate, ...identity });
    client.resume();
    client.on('error', () => undefined);
    await once(client, 'close');
  }
  assert.deepEqual(outcomes, ['CERTIFICATE_INVALID', 'CERTIFICATE_INVALID', 'CERTIFICATE_INVALID']);
});

test('a malformed certificate request is refused by name', async () => {
  const authority = await openAuthority(await createAuthorityMaterial('test'));
  await assert.rejects(
    authority.issueNode('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----', 'node-1'),
    { code: 'ARGUMENT_INVALID' },
  );
});
