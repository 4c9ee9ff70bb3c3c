import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Refusal, readInput } from '../shared/refusal.ts';
import { idSchema } from './id-schema.ts';

const schema = z.object({
  orderId: idSchema,
  status: z.enum(['paid', 'failed'], { error: 'paid or failed' }),
  /** Of the payment: several events may tell of one. Without it a payment is the only one of its order. */
  paymentId: idSchema.optional(),
  /** Of the event: the same in each delivery of it. */
  eventId: idSchema.optional(),
});

/** What the payment provider tells. Other fields that it sends are nothing to us. */
export type PaymentEvent = z.infer<typeof schema>;

/**
 * Reads a delivery, a form or JSON.
 * @throws Refusal 400 naming each field, 415 for another content type
 */
export function readPaymentEvent(contentType: string | undefined, body: Buffer): PaymentEvent {
  switch (contentType?.split(';')[0]?.trim().toLowerCase()) {
    case 'application/x-www-form-urlencoded':
      return readInput(schema, Object.fromEntries(new URLSearchParams(body.toString())));
    case 'application/json':
      return readInput(schema, parseJson(body));
    default: {
      const allowed = ['application/x-www-form-urlencoded', 'application/json'];
      const message = `A payment is told as ${allowed.join(' or ')}, not as ${contentType}.`;
      throw new Refusal(415, 'CONTENT_TYPE_UNKNOWN', message, { allowed });
    }
  }
}

/**
 * By what deliveries of one event are told from others. Where the provider gives it no id, by its exact bytes: told in other
 * words, it is looked at anew, and a payment that is booked is known by its own id.
 */
export function keyOf({ eventId, orderId, status }: PaymentEvent, body: Buffer): string {
  if (eventId !== undefined) return `event:${eventId}`;
  return ['order', orderId, status, createHash('sha256').update(body).digest('hex')].join(':');
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new Refusal(400, 'INPUT_INVALID', 'The body is no JSON.', {
      issues: [{ field: 'body', reason: 'is no JSON', allowed: 'an object of JSON' }],
    });
  }
}
