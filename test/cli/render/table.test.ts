import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Column, renderTable } from '../../../cli/render/table.ts';
import { cutText, textWidth } from '../../../cli/render/text-width.ts';

interface Row {
  readonly name: string;
  readonly count: string;
  readonly why: string;
}

const columns: Column<Row>[] = [
  { title: 'name', value: ({ name }) => name, keep: 9 },
  { title: 'count', value: ({ count }) => count, align: 'right', keep: 5 },
  { title: 'why', value: ({ why }) => why },
];
const rows: Row[] = [
  { name: '云手机网关', count: '3', why: 'exited with code 1 before it was ready' },
  { name: 'api', count: '12', why: '' },
];

test('columns are aligned by what a terminal shows, also for Chinese names', () => {
  assert.deepEqual(renderTable(rows, columns, { width: Number.POSITIVE_INFINITY }), [
    'name        count  why',
    '云手机网关      3  exited with code 1 before it was ready',
    'api            12',
  ]);
});

test('no line is wider than the terminal, at any width', () => {
  for (let width = 12; width < 70; width++) {
    for (const line of renderTable(rows, columns, { width })) assert.ok(textWidth(line) <= width, `${width}: ${line}`);
  }
});

test('the least important column is cut first, then left out', () => {
  assert.deepEqual(renderTable(rows, columns, { width: 30 })[1], '云手机网关      3  exited wit…');
  assert.deepEqual(renderTable(rows, columns, { width: 22 })[1], '云手机网关      3');
});

test('widths count what is seen: wide signs two, colour codes and joiners none', () => {
  assert.deepEqual(['abc', '中文', 'é', '🎉', '\u001b[32mok\u001b[39m', 'ﾊﾝ'].map(textWidth), [3, 4, 1, 2, 2, 2]);
  assert.equal(cutText('中文名字', 5), '中文…');
  assert.equal(cutText('short', 5), 'short');
});
