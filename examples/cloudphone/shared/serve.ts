import type { FastifyInstance } from 'fastify';

/**
 * Listens where the agent says, and ends by itself when it is asked to: first no more requests, then `close` for what
 * they stood on. Drover asks with SIGINT, systemd and others with SIGTERM.
 */
export async function serve(app: FastifyInstance, close: () => Promise<void>): Promise<void> {
  app.addHook('preClose', async () => {
    // A connection that finishes its request from here on is not kept for another one.
    app.server.keepAliveTimeout = 1;
  });
  const { PORT = '3000', HOST = '127.0.0.1' } = process.env;
  await app.listen({ port: Number(PORT), host: HOST });
  let isEnding = false;
  const end = async () => {
    if (isEnding) return;
    isEnding = true;
    await app.close();
    await close();
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
}
