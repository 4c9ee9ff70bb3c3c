import { randomBytes } from 'node:crypto';
import { createRunner } from '../../../controller/runner/create-runner.ts';
import { createReconcile } from '../../../controller/runner/reconcile.ts';
import { connectRedis } from '../../../shared/redis/connect.ts';
import { createStore } from '../../../shared/redis/store/create-store.ts';
import { systemClock } from '../../../shared/runtime/clock.ts';
import { armFailpoints } from '../../../shared/runtime/failpoint.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';

/** A controller's runner as a process of its own, so that a test may kill or stop it. Says `ready` when it stands. */
const [url = '', prefix = '', controllerId = '', failpoints = ''] = process.argv.slice(2);
armFailpoints(failpoints);
const commands = connectRedis(url, 'coord');
const lease = connectRedis(url, 'coord');
const messages = connectRedis(url, 'pubsub');
await Promise.all([commands.ready(), lease.ready(), messages.ready()]);
const store = await createStore({
  redis: commands.client,
  subscriber: messages.client,
  prefix,
  logger: silentLogger,
});
const runner = createRunner({
  store,
  redis: lease.client,
  subscriber: messages.client,
  prefix,
  controllerId,
  clock: systemClock,
  logger: silentLogger,
  createReconcile: () => createReconcile(() => randomBytes(8).toString('hex')),
});
runner.start();
process.stdout.write('ready\n');
