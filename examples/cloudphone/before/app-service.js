// Apps to install, uploaded in parts. Right with one instance: the parts wait in a directory of this host.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';

const { PORT = '30003', HOST = '127.0.0.1', UPLOADS_DIR = join(tmpdir(), 'app-uploads') } = process.env;
const isId = (text) => /^[\w-]{1,64}$/.test(text);
const maxPartBytes = 16 * 1024 * 1024;

const app = Fastify({ bodyLimit: maxPartBytes });
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

app.put('/uploads/:id/parts/:number', async (request, reply) => {
  const { id, number } = request.params;
  if (!isId(id) || !/^\d{1,4}$/.test(number)) return reply.code(400).send({ error: 'that is no part of an upload' });
  const directory = join(UPLOADS_DIR, id);
  // hazard: local-files
  await mkdir(directory, { recursive: true });
  // hazard: local-files
  await writeFile(join(directory, number.padStart(4, '0')), request.body);
  return reply.code(204).send();
});

app.post('/uploads/:id/complete', async (request, reply) => {
  const { id } = request.params;
  const { parts } = request.body;
  if (!isId(id)) return reply.code(400).send({ error: 'that is no upload' });
  const directory = join(UPLOADS_DIR, id);
  const names = await readdir(directory).catch(() => []);
  if (names.length !== parts) {
    return reply.code(409).send({ error: `${names.length} of ${parts} parts are here`, servedBy: process.pid });
  }
  const contents = await Promise.all(names.sort().map((name) => readFile(join(directory, name))));
  return { bytes: Buffer.concat(contents).length };
});

app.get('/health', async () => ({ status: 'ok', pid: process.pid }));

// hazard: no-shutdown
await app.listen({ port: Number(PORT), host: HOST });
