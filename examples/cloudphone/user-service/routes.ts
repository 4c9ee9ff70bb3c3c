import { isIP } from 'node:net';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import { authenticate, bearerToken, recognize } from '../shared/authenticate.ts';
import { describeInstance } from '../shared/instance.ts';
import { answerErrors, Refusal, readInput } from '../shared/refusal.ts';
import type { TokenVerifier } from '../shared/tokens.ts';
import type { LoginLimit } from './login-limit.ts';
import { hashPassword, isPassword } from './passwords.ts';
import type { Sessions } from './sessions.ts';
import type { SigningKeys } from './signing-keys.ts';
import type { Users } from './users.ts';

export interface UserServiceDeps {
  readonly users: Users;
  readonly sessions: Sessions;
  readonly keys: SigningKeys;
  readonly loginLimit: LoginLimit;
  readonly verifier: TokenVerifier;
  /** Whose word counts for the address of the client. */
  readonly trustProxy: (address: string, hop: number) => boolean;
}

const username = 'text of 1 to 64 letters, digits and . _ @ -';
const password = 'text of 8 to 200 characters';
const credentials = z.object({
  // "Ann" and "ann" are one user.
  username: z
    .string({ error: username })
    .transform((name) => name.normalize('NFKC').toLowerCase())
    .refine((name) => /^[\p{L}\p{N}._@-]{1,64}$/u.test(name), { error: username }),
  password: z.string({ error: password }).min(8, { error: password }).max(200, { error: password }),
});

export function buildUserService(deps: UserServiceDeps): FastifyInstance {
  const { users, sessions, keys, loginLimit, verifier, trustProxy } = deps;
  const app = fastify({ trustProxy });
  answerErrors(app);
  /** The router says who has asked it; should that be a gateway of ours, the gateway says for whom. */
  const clientOf = ({ ip, headers }: FastifyRequest) => {
    const told = String(headers['x-client-address']);
    return trustProxy(ip, 0) && isIP(told) !== 0 ? told : ip;
  };
  const caller = (request: FastifyRequest) => authenticate(verifier, bearerToken(request.headers.authorization));

  app.get('/health', () => describeInstance('user-service'));

  app.get('/.well-known/jwks.json', async (_request, reply) => {
    return reply.header('cache-control', 'public, max-age=60').send(await keys.published());
  });

  app.post('/users/register', async (request, reply) => {
    const input = readInput(credentials, request.body);
    const user = await users.add(input.username, await hashPassword(input.password));
    if (user === null) {
      const allowed = 'a name that nobody has';
      const issues = [{ field: 'username', reason: 'is taken', allowed }];
      throw new Refusal(409, 'USERNAME_TAKEN', `username is taken; allowed is ${allowed}.`, { issues });
    }
    return reply.code(201).send({ userId: user.id, username: user.username });
  });

  app.post('/users/login', async (request) => {
    const input = readInput(credentials, request.body);
    const login = { username: input.username, address: clientOf(request) };
    // First, since an attempt is counted against its user, who is not to blame when the database is away.
    const user = await users.find({ username: input.username });
    await loginLimit.count(login);
    if (!(await isPassword(input.password, user?.passwordHash)) || user === null) {
      throw new Refusal(401, 'LOGIN_FAILED', 'There is no such user with this password.');
    }
    await loginLimit.forgive(login);
    return await sessions.begin(user.id);
  });

  app.post('/users/token', async (request) => await sessions.renew(await caller(request)));

  app.get('/users/me', async (request) => {
    const { userId, sessionId, confirmed } = await recognize(verifier, bearerToken(request.headers.authorization));
    const [user] = await Promise.all([users.find({ id: userId }), confirmed]);
    if (user === null) throw new Refusal(401, 'TOKEN_INVALID', 'The user of the token is no more.');
    return { userId, username: user.username, sessionId };
  });

  app.get('/users/sessions', async (request) => {
    const { userId, sessionId } = await caller(request);
    return (await sessions.list(userId)).map((session) => ({ ...session, isThis: session.id === sessionId }));
  });

  app.post('/users/logout', async (request, reply) => {
    await sessions.end(await caller(request));
    return reply.code(204).send();
  });

  app.delete('/users/sessions', async (request, reply) => {
    const { userId } = await caller(request);
    await sessions.endAll(userId);
    return reply.code(204).send();
  });

  return app;
}
