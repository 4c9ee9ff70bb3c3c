import type { z } from 'zod';
import type { channelOperations } from '../../../shared/contracts/coordination/channel-operations.ts';
import { createChannels } from '../../../shared/coordination/channel/create-channels.ts';
import type { Handlers, ServerSentEvent } from '../handler.ts';
import type { HandlerDeps } from './handler-deps.ts';

type ChannelHandlers = Pick<Handlers, keyof typeof channelOperations>;
type Json = z.infer<ReturnType<typeof z.json>>;
type TopicEvent = { message: Json; gap: boolean };

/** Of one subscriber over HTTP who reads slowly; beyond it messages are left out, and the next one says so. */
const maxUnsent = 1_000;

export function createChannelHandlers({ services }: Pick<HandlerDeps, 'services'>): ChannelHandlers {
  // They end with `services`.
  const channels = createChannels(services);
  return {
    listChannels: async ({ query: { match, limit } }) =>
      (await channels.list({ limit, ...(match === undefined ? {} : { match }) })).map((view) => ({
        ...view,
        groups: [...view.groups],
      })),
    async publishMessage({ params, body }) {
      if (body.kind === 'topic') {
        return { id: null, receivers: await channels.topic(params.name).publish(body.message) };
      }
      const options = body.id === undefined ? {} : { id: body.id };
      const { id } = await channels.stream(params.name).publish(body.message, options);
      return { id, receivers: null };
    },
    async *subscribeTopic({ params, signal }): AsyncGenerator<ServerSentEvent<TopicEvent>> {
      const unsent: TopicEvent[] = [];
      let gap = false;
      let news = Promise.withResolvers<void>();
      const wake = () => news.resolve();
      const subscription = channels.topic<Json>(params.name).subscribe(
        (message) => {
          if (unsent.length >= maxUnsent) {
            gap = true;
            return;
          }
          unsent.push({ message, gap });
          gap = false;
          wake();
        },
        {
          onGap() {
            gap = true;
          },
        },
      );
      signal.addEventListener('abort', wake, { once: true });
      try {
        // Whoever has the head of the answer hears what is published from then on.
        await Promise.race([subscription.ready, news.promise]);
        yield { comment: 'messages' };
        while (!signal.aborted) {
          for (let next = unsent.shift(); next !== undefined; next = unsent.shift()) yield { data: next };
          news = Promise.withResolvers();
          if (unsent.length === 0 && !signal.aborted) await news.promise;
        }
      } finally {
        signal.removeEventListener('abort', wake);
        subscription.close();
      }
    },
    async readStream({ params: { name, group }, body, signal }) {
      const messages = await channels.stream<Json>(name).take({ group, ...body, signal });
      return [...messages];
    },
    acknowledgeMessages: async ({ params: { name, group }, body }) => ({
      acknowledged: await channels.stream(name).acknowledge(group, body.ids),
    }),
    listMembers: async ({ params, query }) =>
      (await channels.presence(params.name).list(query)).map(({ member, identity, meta }) => ({
        ...{ member, identity, meta: meta as Json },
      })),
    sendToMember: async ({ params: { name, member }, body }) => ({
      delivered: await channels.direct(name).send(member, body.message),
    }),
  };
}
