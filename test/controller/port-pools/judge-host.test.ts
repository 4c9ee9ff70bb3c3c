import assert from 'node:assert/strict';
import { test } from 'node:test';
import { givenUpAfterMs, judgeHost } from '../../../controller/port-pools/judge-host.ts';

type Node = Parameters<typeof judgeHost>[1][number];
const ready: Node = { id: 'node-1', name: 'h1', state: 'ready' };
const disconnected: Node = { ...ready, id: 'node-2', state: 'disconnected' };
const lost: Node = { ...ready, id: 'node-3', state: 'lost' };
const other: Node = { ...ready, id: 'node-4', name: 'h2' };

test('a host is asked while its node is ready, and given up when there was nobody to ask for ten minutes', () => {
  const cases: [string, Node[], number, ReturnType<typeof judgeHost>][] = [
    ['its node is ready', [ready, other], 0, { kind: 'ask', nodeIds: ['node-1'] }],
    ['its node came back after long', [ready], givenUpAfterMs, { kind: 'ask', nodeIds: ['node-1'] }],
    ['one of its name is lost, one ready', [lost, ready], givenUpAfterMs, { kind: 'ask', nodeIds: ['node-1'] }],
    ['its node is silent, not lost', [disconnected], givenUpAfterMs, { kind: 'wait' }],
    ['two have its name, one is silent', [ready, disconnected], givenUpAfterMs, { kind: 'wait' }],
    ['its node is lost', [lost, other], givenUpAfterMs - 1, { kind: 'gone' }],
    ['its node is lost for good', [lost, other], givenUpAfterMs, { kind: 'reclaim' }],
    ['it has no node', [other], 0, { kind: 'gone' }],
    ['it has had no node for long', [other], givenUpAfterMs, { kind: 'reclaim' }],
  ];
  for (const [what, nodes, goneForMs, expected] of cases) {
    assert.deepEqual(judgeHost('h1', nodes, goneForMs), expected, what);
  }
});
