import { join } from 'node:path';
import { connect } from 'drover';
import { openDatabase } from '../shared/database.ts';
import { isUserRequired } from '../shared/is-user-required.ts';
import { serve } from '../shared/serve.ts';
import { wholeNumber } from '../shared/whole-number.ts';
import { openDeviceHost } from './device-host.ts';
import { createDeviceTable } from './device-table.ts';
import { watchHosts } from './host-watch.ts';
import { startKeeper } from './keeper.ts';
import { parsePortRange } from './port-range.ts';
import { createPortUsage } from './port-usage.ts';
import { buildRoutes } from './routes.ts';

const { HOST = '127.0.0.1', DEVICE_ADDRESS = HOST, DEVICE_DIR = '/tmp/cloudphone-devices' } = process.env;
const { ADB_PORTS = '5555-6554', WEBRTC_PORTS = '8080-9079', SCRCPY_PORTS = '27183-28182' } = process.env;
/** What a phone is given of this environment: names, with commas between them. */
const { DEVICE_ENV = 'PATH,TZ,LANG,NODE_COMPILE_CACHE' } = process.env;
const {
  /** A port rests for so long before it is given again. */
  PORT_REST_MS = '60000',
  /** An instance that was silent for so long is dead, and another one takes over its devices. */
  PORT_OWNER_MS = '15000',
  /** A phone that no instance looks after ends by itself. */
  DEVICE_ORPHAN_MS = '60000',
  /** The devices of a host without instances are lost; well above the time before. */
  HOST_LOST_MS = '180000',
  DEVICE_LOOK_MS = '1000',
  /** A device that has no ports after so long was given up by who made it. */
  DEVICE_CREATING_MS = '120000',
  /** How often in a row a phone that ends is started again; the pause before it doubles each time. */
  DEVICE_MAX_RESTARTS = '5',
  DEVICE_RESTART_MS = '500',
} = process.env;

/** 24 days. A timer that is to wait for longer does not wait at all. */
const mostMs = 2 ** 31 - 1;
const readMs = (setting: string, text: string, least = 1) => wholeNumber(setting, text, { least, most: mostMs });
const quarantineMs = readMs('PORT_REST_MS', PORT_REST_MS, 0);
const ownerTtlMs = readMs('PORT_OWNER_MS', PORT_OWNER_MS);
const orphanMs = readMs('DEVICE_ORPHAN_MS', DEVICE_ORPHAN_MS);
const lostMs = readMs('HOST_LOST_MS', HOST_LOST_MS);
const lookMs = readMs('DEVICE_LOOK_MS', DEVICE_LOOK_MS);
const creatingMs = readMs('DEVICE_CREATING_MS', DEVICE_CREATING_MS);
const restart = {
  max: wholeNumber('DEVICE_MAX_RESTARTS', DEVICE_MAX_RESTARTS, { least: 0 }),
  firstPauseMs: readMs('DEVICE_RESTART_MS', DEVICE_RESTART_MS),
};
const auth = isUserRequired(process.env) ? 'required' : 'optional';
const database = openDatabase();
const drover = connect();
await drover.ready();

const table = createDeviceTable(database);
await table.create();
// One after the other: the first one makes it, for all.
const platformId = await drover.withLock('device-service:platform', {}, table.readPlatformId);

const ports = await drover.ports({
  pools: {
    adb: parsePortRange('ADB_PORTS', ADB_PORTS),
    webrtc: parsePortRange('WEBRTC_PORTS', WEBRTC_PORTS),
    scrcpy: parsePortRange('SCRCPY_PORTS', SCRCPY_PORTS),
  },
  bindAddress: DEVICE_ADDRESS,
  quarantineMs,
  ownerTtlMs,
});
const host = openDeviceHost({
  directory: join(DEVICE_DIR, `${platformId}-${drover.host}`),
  address: DEVICE_ADDRESS,
  orphanMs,
  touchMs: orphanMs / 4,
  inherited: DEVICE_ENV.split(','),
});
const usage = createPortUsage(drover, ports);
const hosts = await watchHosts({ drover, database, table, lostMs });
const keeper = startKeeper({ drover, ports, usage, table, host, lookMs, creatingMs, restart });
const app = buildRoutes({ drover, ports, table, host, keeper, hosts, usage, auth });

// Requests are over by then. No phone is touched: another instance of this host takes them over, or the next one.
await serve(app, async () => {
  await keeper.close();
  await host.close();
  await drover.close();
  await database.close();
});
