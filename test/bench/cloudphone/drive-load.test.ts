import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driveLoad } from '../../../bench/cloudphone/drive-load.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('kinds are sent in their proportions, each with what was prepared for it, by no more clients than asked for', async () => {
  const sent: string[] = [];
  let underWay = 0;
  let most = 0;
  const kind = (name: string, percent: number) => ({
    ...{ name, percent },
    prepare: async () => `for ${name}`,
    async send(prepared: string) {
      sent.push(prepared);
      underWay += 1;
      most = Math.max(most, underWay);
      await turn();
      underWay -= 1;
      return 200;
    },
  });
  let step = 0;
  const random = () => {
    step = (step + 1) % 10;
    return step / 10;
  };
  const figures = await driveLoad([kind('a', 30), kind('b', 70)], { clients: 3, durationMs: 50, random });
  const share = sent.filter((prepared) => prepared === 'for a').length / sent.length;
  assert.ok(Math.abs(share - 0.3) < 0.1, `${share}`);
  assert.equal(most, 3);
  assert.deepEqual([figures.errors, figures.requests, figures.firstError], [0, sent.length, undefined]);
});

test('what is refused and what has no answer is an error, and the first one is named', async () => {
  const refused = { name: 'refused', percent: 100, send: async () => 503 };
  const one = await driveLoad([refused], { clients: 1, durationMs: 5 });
  assert.ok(one.errors > 0 && one.errors === one.requests);
  assert.equal(one.firstError, 'refused was answered with 503');
  const broken = { name: 'broken', percent: 100, send: () => turn().then(() => Promise.reject(new Error('reset'))) };
  const other = await driveLoad([broken], { clients: 1, durationMs: 5 });
  assert.equal(other.requests, 0);
  assert.equal(other.firstError, 'broken: reset');
});
