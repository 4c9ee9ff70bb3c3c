import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readProcessIdentity } from '../process/process-identity.ts';
import { readRouterConfig } from './config.ts';
import { serveControl } from './control-server.ts';
import { routerProtocolVersion } from './protocol.ts';
import { Router } from './router.ts';
import { openRouterLog } from './router-log.ts';

const configPath = process.argv[2];
if (configPath === undefined) throw new Error('usage: main.ts <router configuration file>');
const config = readRouterConfig(configPath);

const log = openRouterLog(join(config.stateDirectory, 'router.log'));

// One connection that does something unforeseen must not cost all the others; the log says what it was.
process.on('uncaughtException', (error) => log('error.uncaught', { error: error.stack ?? String(error) }));
// The agent may go at any time, and its terminal with it: only SIGTERM ends a router.
process.on('SIGHUP', () => {});
process.on('SIGINT', () => {});

const router = new Router({ config, log });
try {
  await router.start();
} catch (error) {
  log('router.notStarted', { listen: config.listen, error: String(error) });
  process.exit(1);
}
const control = await serveControl(router, config.socketPath);

const identityPath = join(config.stateDirectory, 'router.json');
const identity = { ...readProcessIdentity(process.pid), socketPath: config.socketPath, version: routerProtocolVersion };
writeFileSync(`${identityPath}.new`, JSON.stringify({ ...identity, port: router.port }), { mode: 0o600 });
renameSync(`${identityPath}.new`, identityPath);

let isStopping = false;
process.on('SIGTERM', () => {
  if (isStopping) return;
  isStopping = true;
  control.close();
  void router.close().then(() => process.exit(0));
});
