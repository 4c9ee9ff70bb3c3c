import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { certificateDigest } from '../../../controller/authority/certificate-authority.ts';
import { startController } from '../../../controller/run-controller.ts';
import { formatJoinToken } from '../../../shared/contracts/join-token.ts';
import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { readPorts } from '../../../shared/coordination/port-pool/read-ports.ts';
import { connectRedis } from '../../../shared/redis/connect.ts';
import { createStore } from '../../../shared/redis/store/create-store.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { AgentProcess } from '../../support/agent-process.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { ownPort } from '../../support/own-port.ts';
import { startRedis } from '../../support/redis.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const keyPrefix = 'ports-test';
const servicesPrefix = 'ports-test-services';
const host = 'host-a';
/** Should the test be killed, its devices end by themselves. */
const deviceLifeMs = 120_000;

test('a service dies and leaves two devices: the port of each returns when it has ended, by the word of the agent', async (t) => {
  const { redis, services } = await startCluster(t);
  const program = fileURLToPath(new URL('./device-service.ts', import.meta.url));
  const from = await ownPort(10);
  const settings = { url: services.url, prefix: servicesPrefix, host, from, deviceLifeMs };
  const service = spawn(process.execPath, [program, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => void service.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: service.stdout }), 'line')) as [string];
  const devices = JSON.parse(line) as { port: number; pid: number }[];
  const killDevice = (pid: number) => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  t.after(() => devices.forEach(({ pid }) => void killDevice(pid)));

  const ended = once(service, 'exit');
  service.kill('SIGKILL');
  await ended;
  const portsIn = async (state: string) => {
    const { ports } = await readPorts(redis, servicesPrefix, host);
    return ports.filter((view) => view.state === state).map(({ port }) => port);
  };
  const [first, second] = devices as [{ port: number; pid: number }, { port: number; pid: number }];
  await eventually(async () => (await portsIn('orphaned')).length === 2);
  killDevice(first.pid);
  await eventually(async () => (await portsIn('quarantined')).includes(first.port));
  // The question about both was asked for the first to return.
  assert.deepEqual(await portsIn('orphaned'), [second.port]);
  killDevice(second.pid);
  await eventually(async () => (await portsIn('quarantined')).length === 2);
  assert.deepEqual(await portsIn('orphaned'), []);
});

/** A controller that leads, a real agent named `host-a`, and ports in a Redis that is not the controllers'. */
async function startCluster(t: Lifetime) {
  const closers: (() => Promise<unknown> | unknown)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const own = await startRedis({ after: (close) => closers.push(close) });
  const services = await startRedis({ after: (close) => closers.push(close) });
  const redis = services.client();
  await seedBoot(redis, servicesPrefix);
  const data = tempDirectory(t);
  const { signal } = new AbortController();
  const controller = await startController(
    { listen: `127.0.0.1:${await ownPort()}`, data, redisUrl: own.url, keyPrefix, servicesRedisUrl: services.url },
    { logger: silentLogger, signal, looksEachMs: 50 },
  );
  closers.push(() => controller.close());
  const commands = connectRedis(own.url, 'coord');
  const messages = connectRedis(own.url, 'pubsub');
  closers.push(() => Promise.all([commands.close(), messages.close()]));
  await Promise.all([commands.ready(), messages.ready()]);
  const store = await createStore({
    ...{ redis: commands.client, subscriber: messages.client, prefix: keyPrefix, logger: silentLogger },
  });
  closers.push(() => store.close());
  const secret = 's'.repeat(32);
  const token = { id: 'abcdefgh', createdAt: 1, createdBy: 'user:test', expiresAt: null, usesLeft: null };
  const secretHash = createHash('sha256').update(secret).digest('hex');
  await store.joinTokens.create({ ...token, revoked: false, labels: {} }, secretHash, 'user:test');
  const caDigest = certificateDigest(readFileSync(controller.caFile, 'utf8'));
  const agent = new AgentProcess(tempDirectory(t), {
    dataDirectory: tempDirectory(t),
    join: { controllerUrl: controller.url, token: formatJoinToken({ caDigest, id: token.id, secret }) },
    ...{ name: host, address: '127.0.0.1' },
  });
  agent.start();
  closers.push(() => agent.kill('SIGTERM'));
  await eventually(async () => (await store.nodes.list()).some(({ state }) => state === 'ready'), {
    timeoutMs: 15_000,
  });
  return { redis, services };
}
