import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import { describeInstance } from '../shared/instance.ts';
import { answerErrors, Refusal, readInput } from '../shared/refusal.ts';
import { asRefusal } from './as-refusal.ts';
import { type CreateDeps, createDevice } from './create-device.ts';
import { deleteDevice } from './delete-device.ts';
import type { Device } from './device-table.ts';
import type { HostWatch } from './host-watch.ts';
import type { Keeper } from './keeper.ts';
import type { PortUsage } from './port-usage.ts';

export interface RoutesDeps extends CreateDeps {
  readonly keeper: Keeper;
  readonly hosts: HostWatch;
  readonly usage: PortUsage;
  /** `required`: what acts for a user says for which one, by the header that the gateway sets. */
  readonly auth: 'optional' | 'required';
}

const line = (max: number) => {
  const allowed = `1 to ${max} characters, no control characters`;
  return z
    .string(allowed)
    .min(1, allowed)
    .max(max, allowed)
    .regex(/^\P{Cc}*$/u, allowed);
};
const deviceId = z.uuid('the id of a device');
const newDevice = z.object({ userId: line(64).optional(), name: line(100) }, 'an object with name and userId');
const owned = z.object({ userId: line(64) });
const page = z.object({
  userId: line(64).optional(),
  limit: z.coerce.number('1 to 500').int('1 to 500').min(1, '1 to 500').max(500, '1 to 500').default(100),
  after: deviceId.optional(),
});
const requestHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, '1 to 200 visible ASCII characters')
    .optional(),
});

export function buildRoutes(deps: RoutesDeps): FastifyInstance {
  const app = Fastify();
  answerErrors(app);
  app.get('/health', async () => describeInstance('device-service'));
  app.register(async (scope) => addRoutes(scope, deps));
  return app;
}

function addRoutes(app: FastifyInstance, deps: RoutesDeps): void {
  const { table, keeper, hosts, usage, auth } = deps;
  app.setErrorHandler((error) => {
    throw asRefusal(error);
  });

  /** For whom a request acts: the gateway has checked the token. Undefined in development, where there may be none. */
  function userOf(request: FastifyRequest): string | undefined {
    const userId = request.headers['x-user-id'];
    if (typeof userId === 'string' && userId !== '') return userId;
    if (auth === 'optional') return undefined;
    throw new Refusal(401, 'TOKEN_MISSING', 'Log in, and send the token as Authorization: Bearer');
  }

  /** A device that somebody else has is none. */
  async function findDevice(request: FastifyRequest): Promise<Device> {
    const { id } = request.params as { id: string };
    const userId = userOf(request);
    const device = deviceId.safeParse(id).success ? await table.findById(id) : null;
    if (device !== null && (userId === undefined || device.userId === userId)) return device;
    throw new Refusal(404, 'DEVICE_NOT_FOUND', `There is no device ${id}`, { id });
  }

  function onlyFor(user: string | undefined, userId: string | undefined): string | undefined {
    if (user === undefined || userId === undefined || user === userId) return userId ?? user;
    throw new Refusal(403, 'USER_DIFFERS', 'userId is not who the token belongs to', {
      field: 'userId',
      allowed: user,
    });
  }

  app.post('/devices', async (request, reply) => {
    const user = userOf(request);
    const body = readInput(newDevice, request.body);
    // Who is logged in need not say it.
    const { userId } = readInput(owned, { userId: onlyFor(user, body.userId) });
    const { 'idempotency-key': requestKey = null } = readInput(requestHeaders, request.headers);
    const created = await createDevice(deps, { userId, name: body.name, requestKey });
    if (created.kind === 'conflict') {
      throw new Refusal(409, 'IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was sent with another device', {
        field: 'idempotency-key',
        id: created.device.id,
      });
    }
    if (created.kind === 'pending') {
      throw new Refusal(503, 'DEVICE_PENDING', 'The device is still being made: send the same request again', {
        retryAfterSeconds: 1,
      });
    }
    keeper.wake();
    return reply.code(201).send(viewOf(created.device));
  });

  app.get('/devices', async (request) => {
    const query = readInput(page, request.query);
    const userId = onlyFor(userOf(request), query.userId);
    const { limit, after } = query;
    const devices = await table.list({ limit, ...(userId && { userId }), ...(after && { after }) });
    return { devices: devices.map(viewOf), next: devices.length === limit ? devices.at(-1)!.id : null };
  });

  app.get('/devices/:id', async (request) => viewOf(await findDevice(request)));

  app.delete('/devices/:id', async (request, reply) => {
    const device = await deleteDevice({ table, keeper }, await findDevice(request));
    // Its host does not answer at the moment. It is deleted when it does, without another request.
    if (device.state !== 'gone') return reply.code(202).send(viewOf(device));
    return reply.code(204).send();
  });

  app.get('/ports', async () => ({ hosts: await usage.read(await hosts.listHosts()) }));
}

function viewOf({ id, userId, name, host, ports, state, reason, restarts, createdAt }: Device) {
  return {
    ...{ id, userId, name, host, ports, state, restarts },
    ...(reason === null ? {} : { reason }),
    createdAt: new Date(createdAt).toISOString(),
  };
}
