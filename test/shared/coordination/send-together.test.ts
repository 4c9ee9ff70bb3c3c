import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sendTogether } from '../../../shared/coordination/send-together.ts';

function record() {
  const sent: number[][] = [];
  const ask = sendTogether<number, string>(3, async (items) => {
    sent.push([...items]);
    return items.map((item) => `answer ${item}`);
  });
  return { sent, ask };
}

test('what is asked in one turn goes together, and each gets its own answer', async () => {
  const { sent, ask } = record();
  const answers = await Promise.all([ask(1), Promise.resolve().then(() => ask(2))]);
  assert.deepEqual(answers, ['answer 1', 'answer 2']);
  assert.deepEqual(sent, [[1, 2]]);
  assert.equal(await ask(3), 'answer 3');
  assert.deepEqual(sent, [[1, 2], [3]]);
});

test('no more go together than is allowed', async () => {
  const { sent, ask } = record();
  await Promise.all([1, 2, 3, 4].map(ask));
  assert.deepEqual(sent, [[1, 2, 3], [4]]);
});

test('a failure is that of all who asked together, and of nobody else', async () => {
  let count = 0;
  const ask = sendTogether<number, number>(3, async (items) => {
    count += 1;
    if (count === 1) throw new Error('no answer');
    return [...items];
  });
  const first = await Promise.allSettled([ask(1), ask(2)]);
  assert.deepEqual(
    first.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(await ask(3), 3);
});
