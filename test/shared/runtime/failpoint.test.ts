import assert from 'node:assert/strict';
import { test } from 'node:test';

import { armFailpoints, failpoint } from '../../../shared/runtime/failpoint.ts';

test('an armed failpoint throws where it stands and nowhere else', (t) => {
  t.after(() => armFailpoints(undefined));
  armFailpoints('here=throw, slow=pause:1');
  assert.throws(() => failpoint('here'), /Failpoint here/);
  failpoint('slow');
  failpoint('elsewhere');
  armFailpoints('');
  failpoint('here');
});

test('a failpoint that cannot be read is refused by name', () => {
  assert.throws(() => armFailpoints('a=explode'), /"a=explode"/);
});
