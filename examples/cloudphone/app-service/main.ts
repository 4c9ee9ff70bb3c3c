// Apps to install on devices: uploaded in parts through any instance, and there as a whole or not at all.
import { connect } from 'drover';
import { openDatabase } from '../shared/database.ts';
import { isUserRequired } from '../shared/is-user-required.ts';
import { serve } from '../shared/serve.ts';
import { wholeNumber } from '../shared/whole-number.ts';
import { createCatalogue } from './catalogue.ts';
import { buildRoutes } from './routes.ts';
import { openStore } from './store/open-store.ts';
import { createUploads } from './uploads.ts';

const { STORE, SWEEP_SCHEDULE = '*/5 * * * *', UPLOAD_LIFETIME_MS = '86400000' } = process.env;
const { MAX_APP_BYTES = String(4 * 2 ** 30), MAX_PART_BYTES = String(64 * 2 ** 20) } = process.env;
// The smallest part that S3 takes: all but the last one have at least this.
const { MIN_PART_BYTES = String(5 * 2 ** 20), MAX_OPEN_UPLOADS = '20' } = process.env;

const limits = {
  maxAppBytes: wholeNumber('MAX_APP_BYTES', MAX_APP_BYTES),
  minPartBytes: wholeNumber('MIN_PART_BYTES', MIN_PART_BYTES),
  maxPartBytes: wholeNumber('MAX_PART_BYTES', MAX_PART_BYTES),
  maxOpenUploads: wholeNumber('MAX_OPEN_UPLOADS', MAX_OPEN_UPLOADS),
  lifetimeMs: wholeNumber('UPLOAD_LIFETIME_MS', UPLOAD_LIFETIME_MS),
};

const mustLogIn = isUserRequired(process.env);
const drover = connect();
const database = openDatabase();
const store = await openStore(STORE);
const catalogue = await createCatalogue(database);
const uploads = createUploads({ catalogue, store, drover, limits });

drover.cron('remove-abandoned-uploads', SWEEP_SCHEDULE, (run) => uploads.sweep(run.signal));

await serve(buildRoutes({ uploads, catalogue, store, limits, mustLogIn }), async () => {
  await drover.close();
  store.close();
  await database.close();
});
