import { test } from 'node:test';
import { agentKilled, hostKilled, leaderLost } from '../../scripts/story/scenes.ts';
import { assertKept, openStage } from './open-stage.ts';

test('agents, leaders and a host are lost under load', async (t) => {
  const { stage, port } = await openStage(t);
  for (const index of [0, 1, 2]) {
    await t.test(`kill -9 of the agent of host-${index + 1} touches no worker, which it adopts again`, (t) =>
      assertKept(t, stage, 'agent killed', agentKilled(index)),
    );
  }
  await t.test('kill -9 of the leader in the middle of a deploy: another completes it', (t) =>
    assertKept(t, stage, 'leader killed', leaderLost('v2', port, 'SIGKILL')),
  );
  await t.test(
    'SIGSTOP of the leader in the middle of a deploy: another completes it, nothing of the old term is accepted',
    (t) => assertKept(t, stage, 'leader frozen', leaderLost('v3', port, 'SIGSTOP')),
  );
  await t.test(
    'a host loses all its processes at once: its slots are healthy elsewhere in time, and it returns without an old revision',
    (t) => assertKept(t, stage, 'host killed', hostKilled(2, 'v4', port)),
  );
});
