import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { killProcessesOf, processesOf } from '../../scripts/cluster/host-processes.ts';
import type { LocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import { connectRedis } from '../../shared/redis/connect.ts';
import { hasPython, openExamples } from './open-examples.ts';

test('the examples of coordination keep their promises on three hosts', async (t) => {
  const stage = await openExamples(t);
  const { cluster, urlOf, instances, drover, json } = stage;
  let deadHost = '';

  await t.test(
    'a payment that is delivered a hundred times at once counts once, also during a rolling deploy',
    async () => {
      const event = { id: 'evt_once', account: 'ada', cents: 100 };
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => post(`${urlOf('callback')}/hooks/payments`, event)),
      );
      for (const answer of answers) assert.deepEqual(answer, { status: 200, body: { account: 'ada', cents: 100 } });

      const reloading = drover('reload', 'callback');
      let isOver = false;
      void reloading.then(() => {
        isOver = true;
      });
      let sent = 0;
      const failed: unknown[] = [];
      while (!isOver) {
        const one = { id: `evt_${sent}`, account: 'bob', cents: 1 };
        sent += 1;
        const three = await Promise.all(
          [one, one, one].map((each) => post(`${urlOf('callback')}/hooks/payments`, each)),
        );
        failed.push(...three.filter(({ status }) => status !== 200));
        assert.equal(new Set(three.map(({ body }) => JSON.stringify(body))).size, 1, 'all three have the same answer');
      }
      assert.equal((await reloading).code, 0);
      assert.deepEqual(failed, []);
      const { balances } = (await look(urlOf('callback'))) as { balances: Record<string, number> };
      assert.deepEqual(balances, { ada: 100, bob: sent });
      t.diagnostic(`${sent} events, three deliveries each, during the deploy`);
    },
  );

  await t.test('the instances of a host have ports of their own, which `drover port ls` shows', async () => {
    interface Listed {
      readonly host: string;
      readonly port: number;
      readonly state: string;
    }
    const views = await Promise.all((await instances('ports')).map(async ({ url }) => look(url)));
    const said = views.flatMap((view) => {
      const { host, ports } = view as { host: string; ports: Record<string, number[]> };
      return Object.values(ports).flatMap((list) => list.map((port) => `${host}:${port}`));
    });
    assert.equal(said.length, 18, 'six instances with three ports each');
    assert.equal(new Set(said).size, 18, 'a port was given twice on one host');
    const listed = await json<Listed[]>('port', 'ls', '--all');
    const leased = listed.filter(({ state }) => state === 'leased').map(({ host, port }) => `${host}:${port}`);
    assert.deepEqual(leased.sort(), said.sort());
  });

  await t.test('what is published through one instance reaches the subscribers on all hosts', async () => {
    const [a, ...others] = await instances('channels');
    await waitUntil('all to be present', async () => ((await look(a!.url)).present as string[]).length === 3);
    assert.deepEqual(await post(`${a!.url}/news`, { n: 1 }), { status: 202, body: { receivers: 3 } });
    for (const { url } of others) {
      await waitUntil('the news', async () => JSON.stringify((await look(url)).heard) === '[{"n":1}]');
    }
  });

  await t.test('a service in Python holds the lock that services in Node stand in line for', async () => {
    if (!hasPython) {
      t.diagnostic('NOT TESTED: there is no python3 on this machine');
      return;
    }
    interface LockView {
      readonly name: string;
      readonly holders: readonly { readonly identity: string; readonly token: number }[];
      readonly waiters: readonly unknown[];
    }
    const held = await waitUntil('rest.py to hold the lock', async () => {
      const view = await look(urlOf('rest'));
      if (view.problem !== null) throw new Error(String(view.problem));
      return typeof view.token === 'number' && view;
    });
    const waiting = Promise.all([1, 2].map(() => post(`${urlOf('lock')}/orders/42`, {})));
    const view = await waitUntil('two to stand in line', async () => {
      const [lock] = await json<LockView[]>('lock', 'ls', 'order:42');
      return lock?.waiters.length === 2 && lock;
    });
    assert.deepEqual(
      view.holders.map(({ identity, token }) => [identity, token]),
      [[held.identity, held.token]],
    );
    assert.equal((await drover('stop', 'rest', '--detach')).code, 0);
    for (const { status, body } of await waiting) {
      assert.equal(status, 200);
      assert.ok(Number(body.token) > Number(held.token), 'later holders have higher tokens');
    }
  });

  await t.test('when a host is killed another instance leads, and each tick still runs once', async () => {
    interface Leader {
      readonly identity: string;
      readonly term: number;
    }
    const leaderOf = async () => {
      const views = await Promise.all(
        (await instances('election')).map(async ({ url, host }) => ({
          url,
          host,
          ...(await look(url).catch(() => ({}))),
        })),
      );
      const leading = views.filter((view) => 'leads' in view && view.leads === true) as ({
        url: string;
        host: string;
        term: number;
        leader: Leader | null;
      } & Record<string, unknown>)[];
      // They were not asked at one instant: one may have led before the other.
      assert.equal(new Set(leading.map(({ term }) => term)).size, leading.length, 'two lead in one term');
      return leading.length === 1 ? leading[0] : undefined;
    };
    const ticks = async () => [...(await stage.printed('cron')).matchAll(/ran \S+@(\S+)/g)].map(([, tick]) => tick!);
    // Not the host of the router: what is asked here goes to instances themselves, what clients ask does not.
    const before = await waitUntil('a leader on another host than the router', async () => {
      const now = await leaderOf();
      if (now === undefined || now.leader === null) return false;
      if (now.host !== 'host-1') return { ...now, leader: now.leader };
      await fetch(`${now.url}/term`, { method: 'DELETE' });
      return false;
    });
    deadHost = before.host;
    const victim = cluster.agents.find(({ name }) => name === before.host)!;
    await killProcessesOf(victim);
    const after = await waitUntil('another leader', async () => {
      const { leader } = (await look(urlOf('election'))) as { leader: Leader | null };
      return leader !== null && leader.term > before.leader.term && leader;
    });
    assert.ok(!after.identity.startsWith(`${before.host}/`));
    const count = (await ticks()).length;
    await waitUntil('four more ticks', async () => (await ticks()).length >= count + 4);
    const ran = (await ticks()).map((tick) => Date.parse(tick)).sort((a, b) => a - b);
    assert.equal(new Set(ran).size, ran.length, 'a tick ran twice');
    const gaps = ran.flatMap((tick, index) => {
      const gap = [];
      for (let at = tick + 1_000; at < (ran[index + 1] ?? tick); at += 1_000) gap.push(at);
      return gap;
    });
    // A run of the dead host is told of when it is not believed in any more.
    await waitUntil('all ticks that nobody ran to be told of', async () => {
      const [runs, [cron]] = await Promise.all([
        cluster.client.listCronRuns({ params: { name: 'cancel-expired-orders' }, query: { limit: 100 } }),
        json<{ name: string; missed: number }[]>('cron', 'ls'),
      ]);
      assert.equal(cron?.name, 'cancel-expired-orders');
      const untold = gaps.filter((at) => !runs.some(({ tick }) => tick === at));
      // One record stands for all that one run makes skip; each of them is counted.
      const skipped = runs.filter(({ outcome }) => outcome === 'skipped').length;
      if (untold.length <= cron.missed - skipped) return true;
      throw new Error(untold.map((at) => new Date(at).toISOString()).join(', '));
    });
    t.diagnostic(`${ran.length} ticks`);
    await victim.start();
    await waitUntil('the host to be back', async () => {
      const nodes = await cluster.client.listNodes({});
      return nodes.every(({ state }) => state === 'ready');
    });
  });

  await t.test(
    'nothing is left when the services are deleted: no process, no lock, no port, nobody present',
    async () => {
      assert.ok((await findWorkers(cluster)).length >= 18, 'workers are found while they run');
      const redis = connectRedis(cluster.redis.url, 'coord');
      t.after(() => redis.close());
      await redis.ready();
      // Those who live clear up after the dead, when their time is over: without them it would stay until the next one comes.
      await waitUntil(
        'only living instances to be present',
        async () => {
          const instances = await cluster.client.listInstances({});
          const living = instances.filter(({ status }) => status.state === 'running').map(({ id }) => id);
          const present = await redis.client.keys('drover-services:channel:presence-member:instances *');
          return present.length > 0 && present.every((key) => living.some((id) => key.endsWith(`/${id}`)));
        },
        { timeoutMs: 30_000, intervalMs: 500 },
      );
      assert.equal((await drover('delete', ...stage.names, '--detach')).code, 0);
      await waitUntil('all instances to be gone', async () => (await cluster.client.listInstances({})).length === 0, {
        timeoutMs: 30_000,
      });
      await waitUntil('all processes to have ended', async () => (await findWorkers(cluster)).length === 0);
      assert.deepEqual(await json('lock', 'ls'), []);
      // A dead instance counts as one that declares the job for a while; those that were stopped do not.
      const [cron] = await json<{ hosts: string[] }[]>('cron', 'ls');
      const declaring = (cron?.hosts ?? []).filter((identity) => !identity.startsWith(`${deadHost}/`));
      assert.deepEqual(declaring, []);
      // What the dead host held ends with its time; its ports when the host has confirmed that nobody listens.
      await waitUntil(
        'what the dead host held to be given up',
        async () => {
          const held = await redis.client.keys('drover-services:*');
          const left = held.filter((key) => /:(lock|lease|presence-member)[: ](?!.*:epoch$)/.test(key));
          const ports = await json<{ state: string }[]>('port', 'ls', '--all');
          const taken = ports.filter(({ state }) => state === 'leased' || state === 'orphaned');
          if (left.length + taken.length === 0) return true;
          throw new Error(JSON.stringify({ left, taken }));
        },
        { timeoutMs: 30_000, intervalMs: 500 },
      );
    },
  );
});

/** Command lines of what runs out of the artifacts of a host, as the kernel tells them. */
async function findWorkers(cluster: LocalCluster): Promise<string[]> {
  const pids = (await Promise.all(cluster.agents.map(processesOf))).flat();
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return commands
    .map((command) => command.replaceAll('\0', ' '))
    .filter((command) => /\/artifacts\/|\bshim\b/.test(command));
}

async function look(url: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${url}/`, { signal: AbortSignal.timeout(10_000) });
  return (await answer.json()) as Record<string, unknown>;
}

async function post(url: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
