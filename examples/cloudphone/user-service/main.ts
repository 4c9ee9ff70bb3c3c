import { connect } from 'drover';
import { openDatabase } from '../shared/database.ts';
import { durationMs } from '../shared/duration-ms.ts';
import { serve } from '../shared/serve.ts';
import { createTokenVerifier } from '../shared/tokens.ts';
import { trustRouters } from '../shared/trust-routers.ts';
import { wholeNumber } from '../shared/whole-number.ts';
import { createLoginLimit } from './login-limit.ts';
import { buildUserService } from './routes.ts';
import { createSessions } from './sessions.ts';
import { createSigningKeys } from './signing-keys.ts';
import { createUsers } from './users.ts';

const { NODE_ENV, TOKEN_SECRET, ROUTER_NETWORKS } = process.env;
const { TOKEN_TTL = '15m', SESSION_TTL = '12h', KEY_ROTATION = '0 3 * * *' } = process.env;
const { LOGIN_FAILURES = '10', LOGIN_WINDOW = '5m' } = process.env;
if (!TOKEN_SECRET && NODE_ENV === 'production') {
  throw new Error(
    'TOKEN_SECRET is not set: private keys for tokens are sealed with it, in production with one of yours',
  );
}
const failures = wholeNumber('LOGIN_FAILURES', LOGIN_FAILURES);

const database = openDatabase();
const users = createUsers(database);
await users.createTable();

const drover = connect();
const tokenTtlMs = durationMs('TOKEN_TTL', TOKEN_TTL);
const keys = createSigningKeys({ drover, secret: TOKEN_SECRET || 'development', tokenTtlMs });
drover.cron('rotate-signing-keys', KEY_ROTATION, async () => {
  const kid = await keys.rotate();
  console.log(`Tokens are signed with key ${kid}`);
  return { kid };
});

const app = buildUserService({
  users,
  keys,
  sessions: createSessions({ drover, keys, tokenTtlMs, sessionTtlMs: durationMs('SESSION_TTL', SESSION_TTL) }),
  loginLimit: createLoginLimit({ drover, failures, windowMs: durationMs('LOGIN_WINDOW', LOGIN_WINDOW) }),
  verifier: createTokenVerifier(drover),
  // The router before this service.
  trustProxy: trustRouters(1, ROUTER_NETWORKS),
});
await serve(app, async () => {
  await drover.close();
  await database.close();
});
