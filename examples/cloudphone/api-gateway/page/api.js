import { pause } from './pause.js';
import { texts } from './texts.js';

/** What a service has refused, in its words; `code` is its error, or `UNREACHABLE`. */
export class Refused extends Error {
  constructor({ error, message, status }) {
    super(message);
    this.code = error;
    this.status = status;
  }

  get isLoginWanted() {
    return ['TOKEN_MISSING', 'TOKEN_INVALID', 'USER_REQUIRED'].includes(this.code);
  }
}

/** A request that gets no answer is given up after so long. */
const timeoutMs = 20_000;
/** A token is renewed when so much of its time is over. */
const renewAfter = 0.5;
const storageKey = 'cloudphone';

/** Who is shown, and the token if there is one. It lives as long as the tab. */
export const session = { userId: 'test', ...JSON.parse(sessionStorage.getItem(storageKey) ?? '{}') };

export function changeSession(change) {
  Object.assign(session, { token: undefined, expiresAt: undefined, username: undefined }, change);
  store();
  void keepToken();
}

function store() {
  sessionStorage.setItem(storageKey, JSON.stringify(session));
}

/** Asks the gateway. @throws Refused */
export async function ask(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...(session.token === undefined ? {} : { authorization: `Bearer ${session.token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch {
    throw new Refused({ error: 'UNREACHABLE', message: texts.unreachable, status: 0 });
  }
  const answer = await response.json().catch(() => undefined);
  if (response.ok) return answer;
  throw new Refused({ error: 'UNKNOWN', message: response.statusText, ...answer, status: response.status });
}

/** The same request again is the same thing made once, so it is sent again where nobody knows what became of it. */
export async function create(path, body) {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  );
  const send = () => ask('POST', path, body, { 'idempotency-key': key });
  return await send().catch((error) => {
    if (error.status !== 0 && error.status < 502) throw error;
    return send();
  });
}

export async function logIn(username, password) {
  const { token, expiresAt, userId } = await ask('POST', '/api/users/login', { username, password });
  changeSession({ token, expiresAt, userId, username });
}

export async function logOut() {
  await ask('POST', '/api/users/logout');
  changeSession({ userId: 'test' });
}

let renewing = new AbortController();

/** One at a time, for the token that there is. */
async function keepToken() {
  renewing.abort();
  renewing = new AbortController();
  const { signal } = renewing;
  while (session.token !== undefined) {
    await pause(Math.max(1000, (new Date(session.expiresAt).getTime() - Date.now()) * renewAfter), signal);
    if (signal.aborted) return;
    try {
      const renewed = await ask('POST', '/api/users/token');
      // Who has logged out meanwhile does not want it.
      if (signal.aborted) return;
      Object.assign(session, renewed);
      store();
    } catch (error) {
      // Who has been logged out hears it with the next request.
      if (error.isLoginWanted) return;
    }
  }
}

void keepToken();
