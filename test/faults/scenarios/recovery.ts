import { setTimeout as sleep } from 'node:timers/promises';

import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { startRedis } from '../../support/redis.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';
import { machineMicros } from '../lib/history.ts';
import type { Scenario, ScenarioOptions, ScenarioResult } from '../lib/scenario.ts';
import type { ParticipantSettings } from '../recovery/participant.ts';
import { said } from './abort-lateness.ts';

const program = new URL('../recovery/participant.ts', import.meta.url);
const prefix = 'faults';
/** The promise: from the moment at which Redis answers again. */
const boundMs = 2000;

export const recovery: Scenario = {
  name: 'recovery',
  shows: 'after Redis was gone everything works again within two seconds, without a restart, and ends cleanly',
  run: (options) => runRecovery({ ...options, goneMs: options.isLong ? 60_000 : 8000 }),
};

export async function runRecovery(options: ScenarioOptions & { goneMs: number }): Promise<ScenarioResult> {
  const { lifetime, goneMs, progress } = options;
  const redis = await startRedis(lifetime, { appendonly: true });
  const client = redis.client();
  await seedBoot(client, prefix);
  const participant = startClient(program, 'participant', { url: redis.url, prefix } satisfies ParticipantSettings);
  lifetime.after(() => participant.kill());
  const figures: Record<string, number> = {};
  const violations: string[] = [];
  const faults = {
    killed: async () => {
      await redis.kill();
      return () => redis.restart();
    },
    stopped: async () => {
      redis.pause();
      return async () => redis.resume();
    },
  };
  participant.tell('check');
  await said(participant, 'all', 1);
  let checks = 1;
  for (const [name, fault] of Object.entries(faults)) {
    const mend = await fault();
    await sleep(goneMs);
    // Before the server is started: what it needs itself counts too.
    const backAt = machineMicros();
    await mend();
    const before = participant.lines.length;
    participant.tell('check');
    await said(participant, 'all', ++checks);
    for (const [primitive, at] of worksAt(participant, before)) {
      const tookMs = Math.round((at - backAt) / 1000);
      figures[`${name}: ${primitive} ms`] = tookMs;
      if (tookMs > boundMs) violations.push(`Redis ${name}: ${primitive} worked again after ${tookMs} ms`);
    }
    progress(`Redis ${name} for ${goneMs} ms and back`);
  }
  await participant.end();
  if (participant.failure !== undefined) violations.push(participant.failure);
  const clients = String(await client.client('LIST')).match(/name=drover-/g) ?? [];
  if (clients.length > 0) violations.push(`${clients.length} connections are left after close()`);
  return { figures, violations };
}

function worksAt(participant: ClientProcess, from: number): [primitive: string, at: number][] {
  return participant.lines.slice(from).flatMap((line): [string, number][] => {
    const match = /^works (\S+) (\d+)$/.exec(line);
    return match === null ? [] : [[match[1]!, Number(match[2])]];
  });
}
