import { randomUUID } from 'node:crypto';
import { isDroverError } from 'drover';
import Fastify, { type FastifyInstance } from 'fastify';
import { describeInstance } from '../shared/instance.ts';
import { answerErrors, Refusal, readInput } from '../shared/refusal.ts';
import type { Delivery } from './delivery.ts';
import { type Identify, refuseOthers } from './identify.ts';
import { recentSchema, sendSchema } from './notification.ts';

export interface NotificationDeps {
  readonly delivery: Delivery;
  readonly identify: Identify;
}

const bodyLimitBytes = 32 * 1024;
/** Redis is asked for again about so soon. */
const retryAfterSeconds = 1;

export function buildRoutes({ delivery, identify }: NotificationDeps): FastifyInstance {
  const app = Fastify({ bodyLimit: bodyLimitBytes });
  answerErrors(app);

  app.post('/notifications/send', async (request, reply) => {
    const { id = randomUUID(), userId, message, title } = readInput(sendSchema, request.body);
    // Other services send to anybody. A request for a user comes from the gateway: that one may tell himself things.
    const { authorization, 'x-user-id': forUser } = request.headers;
    if (authorization !== undefined || forUser !== undefined) {
      const sender = await identify({ headers: request.headers, query: {} });
      refuseOthers(sender.userId!, userId);
    }
    const sentAt = new Date().toISOString();
    const notification = { id, userId, message, ...(title === undefined ? {} : { title }), sentAt };
    const { isNew, connections } = await storeAnswer(delivery.send(notification));
    console.log(`Notification ${id} for ${userId}: ${connections} connections${isNew ? '' : ', sent before'}`);
    return reply.code(202).send({ id, isNew, connections });
  });

  app.get('/notifications/:userId', async (request) => {
    const { userId, limit } = readInput(recentSchema, { ...(request.query as object), ...(request.params as object) });
    await identify({ headers: request.headers, query: { userId } });
    return await storeAnswer(delivery.history.recent(userId, limit));
  });

  app.get('/health', async () => describeInstance('notification-service'));
  return app;
}

/** Nothing is taken that cannot be kept. */
async function storeAnswer<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (isDroverError(error) && !error.retryable) throw error;
    const message = 'Redis cannot be reached. Try again; a notification with the same id is sent once.';
    throw new Refusal(503, 'STORE_UNREACHABLE', message, { retryAfterSeconds });
  }
}
