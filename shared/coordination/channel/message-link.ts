import { answerWithin } from '../lease/hold.ts';
import type { OpenCoordination } from '../open-coordination.ts';
import { createWakeUps } from '../wake-ups.ts';

export interface MessageListener {
  message(text: string): void;
  /** The channel is subscribed anew after the connection was away; `sinceMs` ago was its last sign of life. */
  gap(sinceMs: number): void;
}

export interface LinkListening {
  /** Resolves once Redis has confirmed the subscription; stays pending while Redis is away. Never rejects. */
  readonly ready: Promise<void>;
  close(): void;
}

/** The one connection of a participant for messages that matter themselves, opened with the first listener. */
export interface MessageLink {
  listen(channel: string, listener: MessageListener): LinkListening;
  close(): Promise<void>;
}

/** A link that is cut without a word looks like silence; with the answer time it bounds how long that is believed. */
const pingIntervalMs = 3000;
const pingTimeoutMs = 2000;

export function createMessageLink(coordination: OpenCoordination): MessageLink {
  let opened: ReturnType<typeof open> | undefined;
  return {
    listen(channel, listener) {
      opened ??= open(coordination);
      return opened.listen(channel, listener);
    },
    async close() {
      await opened?.close();
    },
  };
}

function open(coordination: OpenCoordination) {
  const { clock, logger } = coordination;
  const connection = coordination.connection('pubsub');
  const { client } = connection;
  const closing = new AbortController();
  const wakeUps = createWakeUps(client, closing.signal, logger);
  let lastSignOfLifeMs = clock.monotonicMs();
  /** Frozen when the connection ends: what comes later is no sign that nothing was missed. */
  let awaySinceMs = lastSignOfLifeMs;
  let timesAway = 0;

  const onSign = () => {
    lastSignOfLifeMs = clock.monotonicMs();
  };
  const onClose = () => {
    awaySinceMs = lastSignOfLifeMs;
    timesAway += 1;
  };
  // Each try that fails says `close` too, without a `ready` before it: the last sign of life stays what it was.
  client.on('message', onSign);
  client.on('ready', onSign);
  client.on('close', onClose);

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      await clock.sleep(pingIntervalMs, closing.signal);
      if (closing.signal.aborted || client.status !== 'ready') continue;
      try {
        await answerWithin(client.ping(), pingTimeoutMs, clock, closing.signal);
        onSign();
      } catch {
        if (closing.signal.aborted) return;
        if (client.status === 'ready') client.disconnect(true);
      }
    }
  }
  const watching = watch();

  return {
    listen(channel: string, listener: MessageListener): LinkListening {
      let wasSubscribed = false;
      let timesTold = timesAway;
      const listening = wakeUps.listen(channel, (text) => {
        // The client subscribes anew by itself too, so a message may come before the word that all is subscribed.
        if (wasSubscribed && timesTold !== timesAway) {
          listener.gap(Math.max(0, Math.round(clock.monotonicMs() - awaySinceMs)));
        }
        timesTold = timesAway;
        wasSubscribed = true;
        if (text !== null) listener.message(text);
      });
      const ready = listening.ready.then(() => {
        wasSubscribed = true;
      });
      return { ready, close: listening.close };
    },
    async close() {
      closing.abort();
      client.off('message', onSign);
      client.off('ready', onSign);
      client.off('close', onClose);
      await watching;
      await connection.close();
    },
  };
}
