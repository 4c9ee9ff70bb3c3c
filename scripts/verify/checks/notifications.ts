import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { stripVTControlCharacters } from 'node:util';
import { Hopeless, waitUntil } from '../../cluster/wait-until.ts';
import { followBySocketIo, followByWebSocket, type Notification } from '../follow-notifications.ts';
import { openAccount } from '../open-account.ts';
import type { Platform } from '../platform.ts';
import { shellEnvironment } from '../shell.ts';
import type { Verification, VerificationContext } from '../verification.ts';

/** Longer than any message takes, so that one that is not there then is lost. */
const arrivalMs = 10_000;
/** While all is deployed anew a machine of two cores has much to do besides. */
const disturbedArrivalMs = 30_000;

const patienceOf = ({ isDisturbed }: Platform) => (isDisturbed ? disturbedArrivalMs : arrivalMs);

export const notifications: Verification = {
  name: 'notifications',
  title: 'A notification reaches its user, whichever instance it is sent through',
  async run(context) {
    await byHand(context);
    await acrossInstances(context);
    await toWhoIsAway(context);
  },
};

/** Two terminals: one listens, the other sends. Whose instance leaves is told so, and connects again. */
async function byHand(context: VerificationContext): Promise<void> {
  const { platform, shell, adapt, claim, evidence } = context;
  const user = await openAccount('test', context);
  const { token } = user;
  const command = adapt(`wscat -c "ws://localhost:30006/notifications${token === undefined ? '' : '?token=$TOKEN'}"`);
  for (let tries = platform.isDisturbed ? 5 : 1; ; tries -= 1) {
    const env: Record<string, string> = token === undefined ? {} : { TOKEN: token };
    const terminal = openTerminal(command, env, patienceOf(platform));
    try {
      const connected = await terminal.prints('Connected');
      if (connected) {
        await shell(
          `curl -X POST http://localhost:30006/notifications/send \\
  -H "Content-Type: application/json" \\
  -d '{"userId":"test","message":"Hello"}'`,
          user,
        );
      }
      const arrived = connected && (await terminal.prints('Hello'));
      if (!arrived && tries > 1 && terminal.hasEnded()) continue;
      claim('wscat is connected', connected, terminal.printed().split('\n')[0]?.slice(0, 100) ?? '');
      claim('it prints what was sent', arrived, terminal.printed().split('\n').at(-1)?.slice(0, 200) ?? '');
      evidence(`wscat: ${terminal.printed().replaceAll('\n', ' | ').slice(0, 300)}`);
      return;
    } finally {
      terminal.close();
    }
  }
}

/** A command in a terminal of its own: into a pipe wscat prints messages only. */
function openTerminal(command: string, env: Readonly<Record<string, string>>, patienceMs: number) {
  const child = spawn('script', ['-qfec', command, '/dev/null'], {
    env: shellEnvironment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      output += part;
    });
  }
  child.once('error', ({ message }) => {
    output += message;
  });
  const printed = () =>
    stripVTControlCharacters(output)
      .split(/[\r\n]+/)
      .filter((line) => !/^[> ]*$/.test(line))
      .join('\n');
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const look = (text: string) => async () => {
    if (printed().includes(text)) return true;
    if (hasEnded()) throw new Hopeless('the command has ended');
    return false;
  };
  return {
    hasEnded,
    printed,
    /** Whether it does in time. */
    prints: (text: string) =>
      waitUntil(`"${text}"`, look(text), { timeoutMs: patienceMs }).catch(() => printed().includes(text)),
    close: () => void child.kill(),
  };
}

async function acrossInstances(context: VerificationContext): Promise<void> {
  const { platform, ask, claim, evidence } = context;
  const [a, b] = await platform.instances('notification-service');
  if (a === undefined || b === undefined) throw new Error('two instances of notification-service are needed');
  evidence(`sent through ${a.name}, connected to ${b.name}`);
  const user = await openAccount(`user-${randomUUID().slice(0, 8)}`, context);
  const kinds = [
    ['Socket.IO', followBySocketIo],
    ['WebSocket', followByWebSocket],
  ] as const;
  for (const [kind, follow] of kinds) {
    const { heard, close } = await follow(b.url, user);
    try {
      const [first, second] = [randomUUID(), randomUUID()];
      const send = (url: string, id: string) =>
        ask(`${url}/notifications/send`, { json: { userId: user.userId, message: `message ${id}`, id } });
      await send(a.url, first);
      const arrived = await arrives(platform, heard, [first]);
      claim(`what is sent through one instance reaches a ${kind} on another`, arrived, `${heard.length} heard`);
      await send(b.url, first);
      await send(b.url, second);
      const next = await arrives(platform, heard, [second]);
      const times = heard.filter((one) => isAbout(one, first)).length;
      claim(`what is sent twice with one id is heard once by ${kind}`, next && times === 1, `heard ${times} times`);
    } finally {
      close();
    }
  }
}

async function toWhoIsAway(context: VerificationContext): Promise<void> {
  const { platform, ask, claim } = context;
  const instances = await platform.instances('notification-service');
  const user = await openAccount(`user-${randomUUID().slice(0, 8)}`, context);
  const ids = Array.from({ length: 5 }, () => randomUUID());
  for (const [index, id] of ids.entries()) {
    const { url } = instances[index % instances.length]!;
    await ask(`${url}/notifications/send`, { json: { userId: user.userId, message: `message ${id}`, id } });
  }
  const back = await followByWebSocket(platform.url('api-gateway'), user);
  try {
    await arrives(platform, back.heard, ids);
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

function arrives(platform: Platform, heard: readonly Notification[], ids: readonly string[]): Promise<boolean> {
  const all = async () => ids.every((id) => heard.some((one) => isAbout(one, id)));
  return waitUntil('the notifications', all, { timeoutMs: patienceOf(platform) }).catch(() => false);
}

/** By what it says: not every service tells the id. */
function isAbout(notification: Notification | undefined, id: string): boolean {
  return notification?.message === `message ${id}`;
}
