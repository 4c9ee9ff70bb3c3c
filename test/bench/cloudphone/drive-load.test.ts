import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driveLoad } from '../../../bench/cloudphone/drive-load.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('kinds are sent in their proportions, each with what was prepared for it, by no more clients than asked for', async () => {
  const sent: string[] = [];
  const over = new AbortController();
  let underWay = 0;
  let most = 0;
  const kind = (name: string, percent: number) => ({
    ...{ name, percent },
    prepare: async () => `for ${name}`,
    async send(prepared: string) {
      sent.push(prepared);
      if (sent.length === 200) over.abort();
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
  const figures = await driveLoad([kind('a', 30), kind('b', 70)], { clients: 3, over: over.signal, random });
  const share = sent.filter((prepared) => prepared === 'for a').length / sent.length;
  assert.ok(Math.abs(share - 0.3) < 0.1, `${share}`);
  assert.equal(most, 3);
  assert.deepEqual([figures.errors, figures.requests, figures.firstError], [0, sent.length, undefined]);
});

test('what is refused and what has no answer is an error, and the first one is named', async () => {
  const load = (send: () => Promise<number>, name: string) => {
    const over = new AbortController();
    const once = async () => {
      over.abort();
      return send();
    };
    return driveLoad([{ name, percent: 100, send: once }], { clients: 1, over: over.signal });
  };
  const one = await load(async () => 503, 'refused');
  assert.deepEqual([one.errors, one.requests], [1, 1]);
  assert.equal(one.firstError, 'refused was answered with 503');
  const other = await load(() => Promise.reject(new Error('reset')), 'broken');
  assert.equal(other.requests, 0);
  assert.equal(other.firstError, 'broken: reset');
});
