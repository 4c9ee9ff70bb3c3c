// Served as every service is: answers a request when its parent says so, and what it stands on can be closed once.
import { once } from 'node:events';
import Fastify from 'fastify';
import { serve } from '../../../examples/cloudphone/shared/serve.ts';

const app = Fastify();
let isOpen = true;
app.get('/health', () => ({ isOpen }));
app.get('/later', async () => {
  const told = once(process, 'message');
  process.send?.('asked');
  await told;
  return { isOpen };
});
await serve(app, async () => {
  isOpen = false;
  process.disconnect();
});
