import { ask, changeSession, create, logIn, logOut, session } from './api.js';
import { follow } from './live.js';
import { pause } from './pause.js';
import { texts, translatePage } from './texts.js';

/** Devices come up, orders expire: lists are read again so often, while anybody looks. */
const refreshMs = 4000;
/** Many notifications may come at once, and each may mean that something has changed. */
const noticeMs = 200;
/** More than that is for GET /api/notifications. */
const mostShown = 200;

const at = (id) => document.getElementById(id);
const connectionTexts = {
  connecting: texts.connecting,
  connected: texts.connected,
  away: texts.away,
  login: texts.loginWanted,
};
let following = new AbortController();
/** Looks at the lists are counted: answers may come late. */
let asked = 0;
let shown = 0;
/** Such a look is about to begin. */
let isNoticed = false;

/** What people have written is only ever text, never markup. */
function element(name, { text, data = {}, ...properties } = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) made.textContent = text;
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

const cell = (field, value) => element('td', { text: value ?? '–', data: { field, value: value ?? '' } });

function action(name, text, about, run) {
  const button = element('button', { text, type: 'button', className: 'quiet', data: { action: name } });
  button.setAttribute('aria-label', `${text}: ${about}`);
  button.addEventListener('click', () => attempt(run, button));
  return button;
}

/** Runs what a person asked for; says what went wrong, and shows how things are then. */
async function attempt(run, button) {
  if (button) button.disabled = true;
  at('problem').hidden = true;
  try {
    await run();
  } catch (error) {
    showProblem(error);
  }
  await refresh();
  if (button) button.disabled = false;
}

function showProblem(error) {
  if (error.isLoginWanted) at('login').open = true;
  at('problem').textContent = error.message;
  at('problem').hidden = false;
}

function deviceRow({ id, name, host, ports, state }) {
  const remove = action('delete', texts.remove, name, () => ask('DELETE', `/api/devices/${encodeURIComponent(id)}`));
  return element('tr', { data: { deviceId: id } }, [
    ...[cell('name', name), cell('host', host)],
    ...[cell('adb', ports?.adb), cell('webrtc', ports?.webrtc), cell('scrcpy', ports?.scrcpy)],
    ...[cell('state', state), element('td', {}, state === 'deleting' ? [] : [remove])],
  ]);
}

function orderRow({ id, planId, amount, status }) {
  const number = id.slice(0, 8);
  // As the payment provider would tell it. Where payments have to be signed, a page cannot say so.
  const pay = action('pay', texts.pay, number, () =>
    ask('POST', '/api/billing/webhooks/payment', { orderId: id, status: 'paid' }),
  );
  return element('tr', { data: { orderId: id } }, [
    ...[cell('number', number), cell('plan', planId), cell('amount', amount), cell('status', status)],
    element('td', {}, status === 'PENDING' ? [pay] : []),
  ]);
}

/** Rows that are as they were stay as they are, with the focus and what is being pressed. */
function showRows(body, rows) {
  const before = new Map([...body.children].map((row) => [row.outerHTML, row]));
  body.replaceChildren(...rows.map((row) => before.get(row.outerHTML) ?? row));
}

function showNotification({ id, title, message, sentAt }) {
  const time = element('time', { text: new Date(sentAt).toLocaleString(), dateTime: sentAt });
  const item = element('li', { data: { notificationId: id } }, [
    ...(title === undefined ? [] : [element('strong', { text: title })]),
    element('span', { text: message }),
    time,
  ]);
  const list = at('notification-list');
  list.prepend(item);
  if (list.children.length > mostShown) list.lastElementChild.remove();
}

function showConnection(state) {
  // The session was ended elsewhere.
  if (state === 'login' && session.token !== undefined) {
    changeSession({ userId: 'test' });
    return start();
  }
  at('connection').dataset.state = state;
  at('connection-text').textContent = connectionTexts[state];
  if (state === 'login') at('login').open = true;
}

async function refresh() {
  const number = ++asked;
  const userId = encodeURIComponent(session.userId);
  const [health, devices, orders] = await Promise.allSettled([
    ask('GET', '/health'),
    ask('GET', `/api/devices?userId=${userId}`),
    ask('GET', `/api/billing/orders?userId=${userId}`),
  ]);
  // What was asked for somebody else, or is older than what is there, is not shown.
  if (number < shown) return;
  shown = number;
  if (health.status === 'fulfilled') {
    const { instance, host, revision } = health.value;
    at('instance').textContent = `${instance} · ${host} · ${texts.revision} ${revision}`;
    Object.assign(at('instance').dataset, { instance, host, revision });
  }
  if (devices.status === 'fulfilled') showRows(at('device-rows'), devices.value.devices.map(deviceRow));
  if (orders.status === 'fulfilled') showRows(at('order-rows'), orders.value.map(orderRow));
}

async function keepFresh(signal) {
  while (!signal.aborted) {
    if (document.visibilityState === 'visible') await refresh();
    await pause(refreshMs, signal);
  }
}

async function refreshSoon() {
  if (isNoticed) return;
  isNoticed = true;
  await pause(noticeMs);
  isNoticed = false;
  await refresh();
}

/** Everything anew, for whoever the session says. */
function start() {
  following.abort();
  following = new AbortController();
  shown = ++asked;
  at('user-id').value = session.userId;
  const isLoggedIn = session.token !== undefined;
  at('logged-in').hidden = !isLoggedIn;
  at('logged-in-as').textContent = `${texts.loggedInAs} ${session.username ?? session.userId}`;
  at('user-form').hidden = at('login').hidden = isLoggedIn;
  for (const id of ['device-rows', 'order-rows', 'notification-list']) at(id).replaceChildren();
  void keepFresh(following.signal);
  void follow({
    signal: following.signal,
    tell: showConnection,
    show(notification) {
      showNotification(notification);
      void refreshSoon();
    },
  });
}

function onSubmit(id, run) {
  at(id).addEventListener('submit', (event) => {
    event.preventDefault();
    void attempt(() => run(event), event.submitter);
  });
}

translatePage();
onSubmit('user-form', () => {
  changeSession({ userId: at('user-id').value });
  start();
});
onSubmit('login-form', async ({ submitter }) => {
  const [username, password] = [at('username').value, at('password').value];
  if (submitter?.value === 'register') await ask('POST', '/api/users/register', { username, password });
  await logIn(username, password);
  at('login-form').reset();
  start();
});
at('logout').addEventListener('click', () => attempt(() => logOut().then(start)));
onSubmit('device-form', async () => {
  await create('/api/devices', { userId: session.userId, name: at('device-name').value });
  at('device-form').reset();
});
onSubmit('order-form', async () => {
  const { value: planId, selectedOptions } = at('plan');
  const amount = Number(selectedOptions[0].dataset.amount);
  await ask('POST', '/api/billing/orders', { userId: session.userId, planId, amount });
});
start();
