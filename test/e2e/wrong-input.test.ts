import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runDrover } from '../../scripts/cluster/run-drover.ts';
import { stubbornTree } from '../../scripts/story/stubborn-tree.ts';
import { holdPort, listenerCode, makeWrongInputs, readState, writeService } from '../../scripts/story/wrong-input.ts';
import { assertKept, openStage } from './open-stage.ts';

test('what users and hosts may do wrong is named, and harms nothing', async (t) => {
  const { stage, port } = await openStage(t);
  const { cluster, workshop } = stage;

  const before = await readState(cluster);
  for (const { title, args, env, code, says } of await makeWrongInputs(workshop, port)) {
    await t.test(`${title} gets an error that names it and exit code ${code}, and changes nothing`, async () => {
      const result = await runDrover(args, { env: { ...cluster.env, ...env } });
      const output = `${result.stdout}\n${result.stderr}`;
      assert.equal(result.code, code, output);
      assert.match(output, says);
      assert.doesNotMatch(output, /\n\s+at .*\.ts:\d+/, 'a stack trace is no message for a user');
      assert.equal(await readState(cluster), before);
    });
  }

  await t.test('a port of a host that a stranger holds: the instance gets another one', async (t) => {
    const [agent] = cluster.agents;
    const strangers = await Promise.all(
      Array.from({ length: 6 }, (_, index) => holdPort((agent?.ports.from ?? 0) + 3 + index, agent?.address ?? '')),
    );
    t.after(() => {
      for (const stranger of strangers) stranger.close();
    });
    const app = { instances: 2, health: { tcp: true }, placement: { constraints: ['node.name == host-1'] } };
    const file = await writeService(workshop, { name: 'finds-a-port', app, code: listenerCode });
    const result = await runDrover(['deploy', file, '--yes'], { env: cluster.env });
    assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`);
  });

  await t.test('a port of a route that a stranger holds: the deploy fails and says so', async (t) => {
    const stranger = await holdPort(0, '127.0.0.1');
    t.after(() => stranger.close());
    const { port: held } = stranger.address() as { port: number };
    const file = await writeService(workshop, {
      name: 'route-taken',
      app: { route: { port: held } },
      code: listenerCode,
    });
    const result = await runDrover(['deploy', file, '--yes'], { env: cluster.env });
    assert.equal(result.code, 5, `${result.stdout}\n${result.stderr}`);
    assert.match(`${result.stdout}${result.stderr}`, new RegExp(`port ${held}.*another process`));
  });

  await t.test('nothing is left of a worker that forks children and ignores SIGINT once its service is deleted', (t) =>
    assertKept(t, stage, 'stubborn tree', stubbornTree),
  );
});
