import { connect } from 'drover';
import { durationMs } from '../shared/duration-ms.ts';
import { isUserRequired } from '../shared/is-user-required.ts';
import { serve } from '../shared/serve.ts';
import { createTokenVerifier } from '../shared/tokens.ts';
import { createDelivery } from './delivery.ts';
import { createIdentify } from './identify.ts';
import { mountPlainSockets } from './plain-sockets.ts';
import { buildRoutes } from './routes.ts';
import { mountSockets } from './socket-io.ts';

/** DRAIN is how long clients are sent elsewhere when the instance ends; keep it below `kill_timeout` of the service. */
const { DRAIN = '10s', CLIENT_TIMEOUT = '10s' } = process.env;
const drainMs = durationMs('DRAIN', DRAIN);
const timeoutMs = durationMs('CLIENT_TIMEOUT', CLIENT_TIMEOUT);
const isRequired = isUserRequired(process.env);

const drover = connect();
await drover.ready();
const delivery = createDelivery(drover, { isShownToAll: !isRequired });
const identify = createIdentify(createTokenVerifier(drover), { isRequired });

const app = buildRoutes({ delivery, identify });
const { server } = app;
const socketIo = await mountSockets({ server, drover, delivery, identify, timeoutMs });
const plain = mountPlainSockets({ server, delivery, identify, timeoutMs, otherPath: '/socket.io/' });

// Clients go while requests are still answered; new ones are with other instances by now.
app.addHook('preClose', async () => {
  await Promise.all([plain.drain(drainMs), socketIo.drain(drainMs)]);
  plain.close();
});

await delivery.ready;
await serve(app, async () => {
  await socketIo.close();
  await drover.close();
});
