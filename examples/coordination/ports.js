// Each instance runs one phone simulator, which needs two kinds of ports that nobody else on the host has.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'drover';

const { PORT = '3000', HOST = '127.0.0.1', DROVER_INSTANCE_ID = 'local' } = process.env;
const { ADB_FROM = '15555', WEBRTC_FROM = '18080', POOL_SIZE = '100' } = process.env;
const range = (from) => ({ from: Number(from), to: Number(from) + Number(POOL_SIZE) - 1 });
const drover = connect();
const pools = await drover.ports({
  pools: { adb: range(ADB_FROM), webrtc: range(WEBRTC_FROM) },
  bindAddress: HOST,
  // For so long a port rests after its release, in case somebody still has its number.
  quarantineMs: 30_000,
});

// Both pools or none. The owner gets the ports that it had last, if they are still to be had.
const allocation = await pools.allocate({ adb: 1, webrtc: 2 }, { owner: `phone-${DROVER_INSTANCE_ID}`, sticky: true });

/** Stands for the simulator. What really listens decides: a port that is taken after all fails here. */
const listeners = [];
for (const port of Object.values(allocation.ports).flat()) {
  allocation.assertHeld();
  const listener = createServer((_request, response) => response.end(`${allocation.owner}\n`));
  listener.listen(port, HOST);
  await once(listener, 'listening');
  listeners.push(listener);
}
const stopListening = () => {
  for (const listener of listeners) listener.close();
};
// Somebody was told that these ports are free, because this process was silent for too long.
allocation.signal.addEventListener('abort', stopListening);

const server = createServer(async (_request, response) => {
  const { identity, host, state } = drover;
  const { owner, ports, token } = allocation;
  const usage = await pools.usage().catch((error) => error.message);
  const body = { identity, host, redis: state, owner, ports, token, held: !allocation.signal.aborted, usage };
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
});

server.listen(Number(PORT), HOST);
process.once('SIGINT', async () => {
  server.close();
  // First stop listening, then give back.
  stopListening();
  await allocation.release();
  await drover.close();
});
