import { ask, session } from './api.js';
import { pause } from './pause.js';

/** The first try comes soon, and each later one after up to twice as long. */
const [firstPauseMs, longestPauseMs] = [500, 10_000];
/** So often it is checked that nothing was missed: a connection may be dead without a sign. */
const checkMs = 15_000;
/** A notification that is on its way gets so much time. */
const graceMs = 3000;
/** Ids that are remembered, so that nothing is shown twice. */
const rememberedIds = 5000;

/**
 * Shows each notification of the user once. What was missed is asked for at each connection: by the id of the last one that
 * is shown, of whichever instance answers.
 *
 * `show(notification)`; `tell(state)`: connecting, connected, away or login. It ends when `signal` aborts.
 */
export async function follow({ show, tell, signal }) {
  const shown = new Set();
  let last;
  let failures = 0;

  function take(notification) {
    if (signal.aborted || shown.has(notification.id)) return;
    shown.add(notification.id);
    if (shown.size > rememberedIds) shown.delete(shown.values().next().value);
    last = notification.id;
    show(notification);
  }

  const recent = (limit) => ask('GET', `/api/notifications/${encodeURIComponent(session.userId)}?limit=${limit}`);

  /** Resolves when the connection has ended. */
  function hold(socket) {
    return new Promise((resolve) => {
      socket.onopen = () => {
        failures = 0;
        tell('connected');
      };
      socket.onmessage = ({ data }) => take(JSON.parse(data));
      socket.onclose = resolve;
    });
  }

  /** Ends a connection through which something did not come that is there. */
  async function watch(socket, ended) {
    while (!ended.aborted) {
      await pause(checkMs, ended);
      const [newest] = await recent(1).catch(() => []);
      if (newest === undefined) continue;
      await pause(graceMs, ended);
      if (!shown.has(newest.id)) socket.close();
    }
  }

  async function connect() {
    // Also says when a token is wanted, which a WebSocket cannot.
    const newest = await recent(last === undefined ? 100 : 1);
    if (signal.aborted) return;
    // Later on they come through the connection: in order, and all after the last one, however many.
    if (last === undefined) for (const notification of newest.reverse()) take(notification);
    const query = new URLSearchParams({ userId: session.userId });
    if (last !== undefined) query.set('after', last);
    // A browser cannot give a WebSocket a header.
    if (session.token !== undefined) query.set('token', session.token);
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/notifications?${query}`);
    const ending = new AbortController();
    const leave = () => socket.close();
    signal.addEventListener('abort', leave);
    void watch(socket, ending.signal);
    await hold(socket);
    signal.removeEventListener('abort', leave);
    ending.abort();
  }

  while (!signal.aborted) {
    tell('connecting');
    try {
      await connect();
    } catch (error) {
      // Whoever logs in follows anew.
      if (error.isLoginWanted && !signal.aborted) return tell('login');
    }
    if (signal.aborted) return;
    tell('away');
    // At random, so that those who lost their connections together do not come back together.
    await pause(Math.random() * Math.min(longestPauseMs, firstPauseMs * 2 ** failures), signal);
    failures += 1;
  }
}
