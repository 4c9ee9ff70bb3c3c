import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import { requestJson } from '../../agent/request-json.ts';
import { createAuthorityMaterial, openAuthority } from '../../controller/authority/certificate-authority.ts';
import type { Lifetime } from '../support/lifetime.ts';

test('a server that is no controller is told from one that does not answer', async (t) => {
  const { url, ca } = await serve(t, 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>');
  await assert.rejects(requestJson({ url, method: 'GET', tls: { ca } }), /answers, but it is no controller/);
});

test('an answer without an end is given up', async (t) => {
  const piece = 'x'.repeat(65_536);
  const { url, ca } = await serve(t, 'HTTP/1.1 200 OK\r\n\r\n', piece);
  await assert.rejects(requestJson({ url, method: 'GET', tls: { ca } }), /larger than/);
});

/** Answers every connection with these bytes, and with `endless` again and again. */
async function serve(t: Lifetime, head: string, endless?: string): Promise<{ url: URL; ca: string }> {
  const authority = await openAuthority(await createAuthorityMaterial('test'));
  const { key, certificate } = await authority.issueServer(['127.0.0.1']);
  const sockets = new Set<Socket>();
  const server = createServer({ key, cert: certificate }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(head);
      if (endless === undefined) return;
      const more = () => void socket.write(endless, (error) => error ?? more());
      more();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: new URL(`https://127.0.0.1:${port}/v1/ca`), ca: authority.certificate };
}
