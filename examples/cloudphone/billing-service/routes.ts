import type { Callbacks, OutboxRelay } from 'drover';
import { droverCallback } from 'drover/fastify';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Database } from '../shared/database.ts';
import { describeInstance } from '../shared/instance.ts';
import { answerErrors, Refusal, readInput } from '../shared/refusal.ts';
import { idSchema } from './id-schema.ts';
import type { Order, OrderStore } from './order-store.ts';
import { keyOf, readPaymentEvent } from './payment-event.ts';
import { isSigned, type SignaturePolicy } from './payment-signature.ts';

export interface BillingDeps {
  readonly database: Database;
  readonly store: OrderStore;
  readonly callbacks: Callbacks;
  readonly relay: Pick<OutboxRelay, 'wake'>;
  readonly signature: SignaturePolicy;
  /** Whether a request has to say for which user it acts. */
  readonly isUserRequired: boolean;
  readonly orderTtlMs: number;
}

const bodyLimitBytes = 64 * 1024;
/** A repetition waits for the delivery that is processed: providers wait for ten seconds at least. */
const callbackWaitMs = 8000;
const [defaultPage, largestPage] = [100, 1000];
/** Sums of a thousand of them are still exact. */
const largestAmount = 1_000_000_000_000;

const allowedAmount = `an integer from 1 to ${largestAmount}, in the smallest unit of the currency`;
const orderSchema = z.object({
  userId: idSchema,
  planId: idSchema,
  amount: z.int({ error: allowedAmount }).min(1, { error: allowedAmount }).max(largestAmount, { error: allowedAmount }),
});
const allowedLimit = `an integer from 1 to ${largestPage}`;
const limitSchema = z.coerce.number({ error: allowedLimit }).int({ error: allowedLimit });
const pageSchema = z.object({
  limit: limitSchema.min(1, { error: allowedLimit }).max(largestPage, { error: allowedLimit }).default(defaultPage),
});
const listSchema = pageSchema.extend({ userId: idSchema });
const userSchema = z.object({ userId: idSchema });
const orderIdSchema = z.object({ id: idSchema });

export function buildRoutes(deps: BillingDeps): FastifyInstance {
  const { database, store, callbacks, relay, signature } = deps;
  const app = Fastify({ bodyLimit: bodyLimitBytes });

  /** For whom the request acts. The gateway has checked who it is; without AUTH=required it may be nobody. */
  function actingUser({ headers }: FastifyRequest): string | undefined {
    const userId = headers['x-user-id'];
    if (typeof userId === 'string') return userId;
    if (deps.isUserRequired) throw new Refusal(401, 'USER_REQUIRED', 'Log in: this is done for a user.');
    return undefined;
  }

  function refuseOthers(request: FastifyRequest, userId: string): void {
    const acting = actingUser(request);
    if (acting === undefined || acting === userId) return;
    throw new Refusal(403, 'OF_ANOTHER_USER', `You are ${acting}, and cannot act for ${userId}.`);
  }

  /** Orders of others are as good as not there. */
  async function ownOrder(request: FastifyRequest): Promise<Order> {
    const { id } = readInput(orderIdSchema, request.params);
    const acting = actingUser(request);
    const order = await store.find(id);
    if (acting === undefined || acting === order.userId) return order;
    throw new Refusal(404, 'ORDER_NOT_FOUND', `There is no order ${id}.`, { orderId: id });
  }

  answerErrors(app);
  /** Requests that have put something into the outbox. It is there for the relay once they are answered. */
  const telling = new WeakSet<FastifyRequest>();
  app.addHook('onResponse', async (request) => {
    if (telling.has(request)) relay.wake();
  });

  app.get('/health', async () => ({ ...describeInstance('billing-service'), dialect: database.dialect }));

  app.post('/orders', async (request, reply) => {
    const order = readInput(orderSchema, request.body);
    refuseOthers(request, order.userId);
    return reply.code(201).send(await store.place({ ...order, ttlMs: deps.orderTtlMs }));
  });

  app.get('/orders', async (request) => {
    const acting = actingUser(request);
    const defaults = acting === undefined ? {} : { userId: acting };
    const { userId, limit } = readInput(listSchema, { ...defaults, ...(request.query as object) });
    refuseOthers(request, userId);
    return await store.list(userId, limit);
  });

  app.get('/orders/:id', async (request) => {
    const order = await ownOrder(request);
    return { ...order, changes: await store.changesOf(order.id) };
  });

  app.post('/orders/:id/cancel', async (request) => {
    const order = await store.cancel((await ownOrder(request)).id);
    telling.add(request);
    return order;
  });

  app.post('/orders/:id/refund', async (request) => {
    const order = await store.refund((await ownOrder(request)).id);
    telling.add(request);
    return order;
  });

  app.get('/users/:userId/balance', async (request) => {
    const { userId } = readInput(userSchema, request.params);
    refuseOthers(request, userId);
    return { userId, balance: await store.balance(userId) };
  });

  app.get('/users/:userId/ledger', async (request) => {
    const { userId } = readInput(userSchema, request.params);
    refuseOthers(request, userId);
    return await store.ledger(userId, readInput(pageSchema, request.query).limit);
  });

  // For those who send money back; what comes from a user through the gateway says who it is.
  app.get('/refunds-due', async ({ headers, query }) => {
    if (headers['x-user-id'] !== undefined) throw new Refusal(403, 'NOT_FOR_USERS', 'This is of all users.');
    return await store.refundsDue(readInput(pageSchema, query).limit);
  });

  app.register(async (webhooks) => {
    webhooks.addHook('preHandler', async ({ headers, body }) => {
      const given = headers['x-payment-signature'];
      if (isSigned(body as Buffer, given === undefined ? undefined : String(given), signature)) return;
      throw new Refusal(401, 'SIGNATURE_WRONG', 'This does not come from the payment provider.', {
        ...{ field: 'X-Payment-Signature', reason: given === undefined ? 'is missing' : 'is wrong' },
        allowed: 'sha256=<HMAC of the body, hexadecimal>',
      });
    });
    const callbackRoute = droverCallback(webhooks, {
      ...{ callbacks, scope: 'payment', waitMs: callbackWaitMs },
      key: ({ headers }, body) => keyOf(readPaymentEvent(headers['content-type'], body), body),
    });
    callbackRoute('/webhooks/payment', async (run, request, body) => {
      const { orderId, status, paymentId } = readPaymentEvent(request.headers['content-type'], body);
      // The transaction of the callback: what happens here and that it has happened are committed together.
      const tx = run.transaction!;
      const { order, outcome } =
        status === 'paid'
          ? await store.takePayment(tx, orderId, paymentId)
          : { order: await store.find(orderId, tx), outcome: 'failed' };
      if (outcome === 'booked' || outcome === 'refund-due') telling.add(request);
      console.log(`Payment of order ${orderId}: ${outcome}, order is ${order.status}`);
      const answer = { orderId, status: order.status, payment: outcome };
      return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) };
    });
  });

  return app;
}
