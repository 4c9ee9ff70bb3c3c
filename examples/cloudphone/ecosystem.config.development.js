// One machine: SQLite files and uploads in a temporary directory, and nobody has to log in.
//
//   drover deploy ecosystem.config.development.js
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cloudphone } from './ecosystem.services.js';

const { CLOUDPHONE_DATA = join(tmpdir(), 'cloudphone') } = process.env;

export default {
  apps: cloudphone(
    {
      NODE_ENV: 'development',
      AUTH: 'optional',
      STORE: `dir:${join(CLOUDPHONE_DATA, 'uploads')}`,
    },
    // A file of its own for each service: they share no table, and SQLite has one writer a file.
    (name) => ({ DATABASE_URL: `sqlite:${join(CLOUDPHONE_DATA, `${name}.db`)}` }),
  ),
};
