import type { DroverEvent, NewEvent } from '../../contracts/events.ts';
import { commit } from './commit.ts';
import type { EventStore } from './store.ts';
import type { StoreContext } from './store-context.ts';

type Entry = [id: string, fields: string[]];

/** Events are entries of a stream; their id begins with the store's clock, which is when they happened. */
export function createEventStore(context: StoreContext): EventStore {
  const { keys } = context;
  return {
    async read({ after, limit }) {
      const start = after === null ? '-' : `(${after}`;
      const entries = await context.ask('read events', (redis) =>
        redis.xrange(keys.events, start, '+', 'COUNT', limit),
      );
      return entries.map(toEvent);
    },
    async tail(limit) {
      const entries = await context.ask('read events', (redis) =>
        redis.xrevrange(keys.events, '+', '-', 'COUNT', limit),
      );
      return entries.map(toEvent).reverse();
    },
    async append(event) {
      await commit(context, `append ${event.type}`, { expect: [], write: [], events: [event] });
    },
  };
}

function toEvent([id, fields]: Entry): DroverEvent {
  const event = JSON.parse(fields[1] ?? '{}') as NewEvent;
  return { ...event, data: event.data ?? {}, id, at: Number(id.split('-', 1)[0]) };
}
