import { isDroverError } from 'drover';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { describeInstance } from '../shared/instance.ts';
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
const newDevice = z.object({ userId: line(64).optional(), name: line(100) });
const page = z.object({
  userId: line(64).optional(),
  limit: z.coerce.number('1 to 500').int('1 to 500').min(1, '1 to 500').max(500, '1 to 500').default(100),
  after: deviceId.optional(),
});
const requestKeySchema = z.string().regex(/^[\x21-\x7e]{1,200}$/, '1 to 200 visible ASCII characters');

/** What the caller did wrong, with its status. */
class Refusal extends Error {
  readonly status: number;
  readonly body: Record<string, unknown>;

  constructor(status: number, error: string, message: string, more: Record<string, unknown> = {}) {
    super(message);
    this.status = status;
    this.body = { error, message, ...more };
  }
}

export function addRoutes(app: FastifyInstance, deps: RoutesDeps): void {
  const { table, keeper, hosts, usage, auth } = deps;

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

  app.setErrorHandler((error, _request, reply) => sendError(error, reply));

  app.get('/health', async () => describeInstance('device-service'));

  app.post('/devices', async (request, reply) => {
    const user = userOf(request);
    const body = read(newDevice, request.body);
    const userId = onlyFor(user, body.userId);
    if (userId === undefined) throw invalid('userId', 'is missing', '1 to 64 characters, no control characters');
    const header = request.headers['idempotency-key'];
    const requestKey = header === undefined ? null : read(requestKeySchema, header, 'Idempotency-Key');
    const created = await createDevice(deps, { userId, name: body.name, requestKey });
    if (created.kind === 'conflict') {
      throw new Refusal(409, 'IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was sent with another device', {
        field: 'Idempotency-Key',
        id: created.device.id,
      });
    }
    if (created.kind === 'pending') {
      reply.header('retry-after', 1);
      throw new Refusal(503, 'DEVICE_PENDING', 'The device is still being made: send the same request again');
    }
    keeper.wake();
    return reply.code(201).send(viewOf(created.device));
  });

  app.get('/devices', async (request) => {
    const query = read(page, request.query);
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

function read<T>(schema: z.ZodType<T>, value: unknown, name = 'body'): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.join('.') || name;
  throw invalid(field, 'does not fit', message);
}

function invalid(field: string, reason: string, allowed: string): Refusal {
  return new Refusal(400, 'INPUT_INVALID', `${field} ${reason}: ${allowed}`, { field, reason, allowed });
}

function sendError(error: unknown, reply: FastifyReply) {
  if (error instanceof Refusal) return reply.code(error.status).send(error.body);
  if (isDroverError(error) && error.code === 'PORTS_EXHAUSTED') {
    const { host, pool, nextFreeInMs, ...usage } = error.details;
    if (typeof nextFreeInMs === 'number') reply.header('retry-after', Math.ceil(nextFreeInMs / 1000));
    return reply.code(503).send({ error: 'NO_PORTS', message: error.message, host, pool, usage, nextFreeInMs });
  }
  const { statusCode, message } = error as { statusCode?: number; message: string };
  if (statusCode !== undefined && statusCode < 500)
    return reply.code(statusCode).send({ error: 'INPUT_INVALID', message });
  console.error(`A request failed: ${message}`);
  const body = { error: 'UNAVAILABLE', message: 'The device service cannot do this at the moment: try again' };
  return reply.code(503).header('retry-after', 1).send(body);
}
