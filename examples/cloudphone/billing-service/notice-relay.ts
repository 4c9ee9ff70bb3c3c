import { createOutboxRelay, type Drover, type OutboxRelay } from 'drover';
import type { OrderStore } from './order-store.ts';

/** Should the service of notifications be away, messages wait: the pauses grow to five minutes, so this is some hours. */
const maxTries = 50;
/** A change that another instance made is told after this time at most. */
const pollMs = 250;

/**
 * Tells users what became of their orders: at least once, with the same id each time, by which notification-service knows a
 * repetition. Every instance has a relay; one of them is active.
 */
export function startNoticeRelay(drover: Drover, { outbox }: OrderStore): OutboxRelay {
  return createOutboxRelay(drover.coordination, {
    ...{ outbox, maxTries, pollMs, name: 'billing' },
    async send({ payload, idempotencyKey }, signal) {
      const url = await drover.service('notification-service').url();
      const answer = await fetch(`${url}/notifications/send`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id: idempotencyKey, ...JSON.parse(payload) }),
        signal,
      });
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`notification-service answered ${answer.status}`);
    },
    onDead: ({ id }, error) => console.error(`Notification ${id} was given up: ${String(error)}`),
  });
}
