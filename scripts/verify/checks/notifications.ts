import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Hopeless, waitUntil } from '../../cluster/wait-until.ts';
import { followBySocketIo, followByWebSocket, type Notification } from '../follow-notifications.ts';
import { shellEnvironment } from '../shell.ts';
import type { Verification, VerificationContext } from '../verification.ts';

/** Longer than any message takes, so that one that is not there then is lost. */
const arrivalMs = 5_000;

export const notifications: Verification = {
  name: 'notifications',
  title: 'A notification reaches its user, whichever instance it is sent through',
  async run(context) {
    await byHand(context);
    await acrossInstances(context);
    await toWhoIsAway(context);
  },
};

/** Two terminals: one listens, the other sends. */
async function byHand({ shell, adapt, claim, evidence }: VerificationContext): Promise<void> {
  const listening = spawn('bash', ['-c', `exec ${adapt('wscat -c "ws://localhost:30006/notifications"')}`], {
    env: shellEnvironment({}),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [listening.stdout, listening.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      printed += part;
    });
  }
  const prints = (text: string) =>
    waitUntil(
      `wscat to print "${text}"`,
      async () => {
        if (printed.includes(text)) return true;
        if (listening.exitCode !== null) throw new Hopeless(`wscat has ended: ${printed.trim()}`);
        return false;
      },
      { timeoutMs: arrivalMs },
    ).then(
      () => true,
      () => false,
    );
  try {
    claim('wscat is connected', await prints('Connected'), printed.trim().slice(0, 100));
    await shell(`curl -X POST http://localhost:30006/notifications/send \\
  -H "Content-Type: application/json" \\
  -d '{"userId":"test","message":"Hello"}'`);
    claim('it prints what was sent', await prints('Hello'), printed.trim().split('\n').at(-1)?.slice(0, 160) ?? '');
    evidence(`wscat: ${printed.trim().replaceAll('\n', ' | ').slice(0, 300)}`);
  } finally {
    listening.kill();
  }
}

async function acrossInstances({ platform, ask, claim, evidence }: VerificationContext): Promise<void> {
  const [a, b] = await platform.instances('notification-service');
  if (a === undefined || b === undefined) throw new Error('two instances of notification-service are needed');
  evidence(`sent through #${a.slot} (${a.host}), connected to #${b.slot} (${b.host})`);
  const user = `user-${randomUUID().slice(0, 8)}`;
  const kinds = [
    ['Socket.IO', followBySocketIo],
    ['WebSocket', followByWebSocket],
  ] as const;
  for (const [kind, follow] of kinds) {
    const { heard, close } = await follow(b.url, user);
    try {
      const [first, second] = [randomUUID(), randomUUID()];
      const send = (url: string, id: string) =>
        ask(`${url}/notifications/send`, { json: { userId: user, message: `message ${id}`, id } });
      await send(a.url, first);
      const arrived = await arrives(heard, [first]);
      claim(`what is sent through one instance reaches a ${kind} on another`, arrived, `${heard.length} heard`);
      await send(b.url, first);
      await send(b.url, second);
      const next = await arrives(heard, [second]);
      const times = heard.filter((one) => isAbout(one, first)).length;
      claim(`what is sent twice with one id is heard once by ${kind}`, next && times === 1, `heard ${times} times`);
    } finally {
      close();
    }
  }
}

async function toWhoIsAway({ platform, ask, claim }: VerificationContext): Promise<void> {
  const instances = await platform.instances('notification-service');
  const user = `user-${randomUUID().slice(0, 8)}`;
  const ids = Array.from({ length: 5 }, () => randomUUID());
  for (const [index, id] of ids.entries()) {
    const { url } = instances[index % instances.length]!;
    await ask(`${url}/notifications/send`, { json: { userId: user, message: `message ${id}`, id } });
  }
  const back = await followByWebSocket(platform.url('api-gateway'), user);
  try {
    await arrives(back.heard, ids);
    const { heard } = back;
    claim(
      'who was away gets everything on return, once and in order',
      heard.length === ids.length && ids.every((id, index) => isAbout(heard[index], id)),
      `${heard.length} of ${ids.length}`,
    );
  } finally {
    back.close();
  }
}

function arrives(heard: readonly Notification[], ids: readonly string[]): Promise<boolean> {
  const all = async () => ids.every((id) => heard.some((one) => isAbout(one, id)));
  return waitUntil('the notifications', all, { timeoutMs: arrivalMs }).catch(() => false);
}

/** By what it says: not every service tells the id. */
function isAbout(notification: Notification | undefined, id: string): boolean {
  return notification?.message === `message ${id}`;
}
