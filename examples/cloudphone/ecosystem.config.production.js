// Several hosts: PostgreSQL, a store that all hosts reach, and a token for all that acts for a user. No secret is in this file:
// they come from the environment of whoever deploys, and end in that of the services that need them.
//
//   DATABASE_URL=postgres://… STORE=s3://… PAYMENT_SECRET=… TOKEN_SECRET=… drover deploy ecosystem.config.production.js
import { cloudphone } from './ecosystem.services.js';

const required = {
  DATABASE_URL: 'postgres://user:password@host/database, which all hosts reach',
  STORE: 's3://bucket?endpoint=https://…, or dir:/path that all hosts have mounted',
  PAYMENT_SECRET: 'shared with the payment provider, who signs callbacks with it',
  TOKEN_SECRET: 'seals the private keys that tokens are signed with',
};

const missing = Object.keys(required).filter((name) => !process.env[name]);
if (missing.length > 0) {
  // One line: more of it is not shown.
  throw new Error(`Set these first: ${missing.map((name) => `${name} (${required[name]})`).join('; ')}`);
}
if (!/^postgres(ql)?:/.test(process.env.DATABASE_URL)) {
  throw new Error('DATABASE_URL: production needs postgres://…; a SQLite file is for the instances of one host');
}

// An instance has ten connections, unless DATABASE_POOL_SIZE says otherwise; in a deploy both the old and the new one have them.
const database = ['DATABASE_URL', 'DATABASE_POOL_SIZE'];

/** Each service has the secrets that it needs, and no other. */
const secretsOf = {
  'user-service': [...database, 'TOKEN_SECRET'],
  'device-service': database,
  'app-service': [...database, 'STORE', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION'],
  'billing-service': [...database, 'PAYMENT_SECRET'],
};

const pick = (names = []) =>
  Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));

export default {
  apps: cloudphone({ NODE_ENV: 'production', AUTH: 'required' }, (name) => pick(secretsOf[name])),
};
