import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import picocolors from 'picocolors';
import { analyse } from '../../cli/preflight/analyse.ts';
import { listSources } from '../../cli/preflight/list-sources.ts';
import { renderFindings } from '../../cli/render/findings.ts';
import { parseEcosystem } from '../../shared/contracts/ecosystem.ts';
import { root } from '../architecture/source-tree.ts';

const guide = 'docs/guides/from-one-to-many.md';
const before = path.join(root, 'examples/cloudphone/before');

interface Excerpt {
  /** The example that was linked last before it. */
  readonly file: string;
  readonly lines: readonly string[];
}

/** What a guide quotes from the examples: each block of TypeScript, and of JavaScript below a link to a file of it. */
function readExcerpts(text: string): Excerpt[] {
  const excerpts: Excerpt[] = [];
  let file: string | undefined;
  let open: { language: string; lines: string[] } | undefined;
  for (const line of text.split('\n')) {
    const fence = /^```(\w*)$/.exec(line);
    if (fence === null) {
      if (open !== undefined) open.lines.push(line.trim());
      else
        file =
          /.*\]\(\.\.\/\.\.\/(examples\/[\w./-]+\.[jt]s)\)/.exec(line)?.[1] ?? (/^#/.test(line) ? undefined : file);
    } else if (open === undefined) open = { language: fence[1]!, lines: [] };
    else {
      if (/^[jt]s$/.test(open.language) && file !== undefined) excerpts.push({ file, lines: open.lines });
      open = undefined;
    }
  }
  return excerpts;
}

/** Whether the lines stand in the file one below the other, indented as they like. */
function isQuoted({ lines }: Excerpt, source: string): boolean {
  const block = (text: readonly string[]) => `\n${text.join('\n')}\n`;
  return block(source.split('\n').map((line) => line.trim())).includes(block(lines));
}

const text = readFileSync(path.join(root, guide), 'utf8');

test('the code that the guide quotes is in the files that it names', () => {
  const excerpts = readExcerpts(text);
  assert.ok(excerpts.length >= 12, `${excerpts.length} excerpts`);
  const changed = excerpts.filter((excerpt) => !isQuoted(excerpt, readFileSync(path.join(root, excerpt.file), 'utf8')));
  assert.deepEqual(changed, [], 'quote the code as it is now');
});

test('a quotation that is not in its file is found', () => {
  const [excerpt] = readExcerpts('see [a](../../examples/a.ts):\n```ts\n  one();\n  two();\n```\n');
  assert.deepEqual(excerpt, { file: 'examples/a.ts', lines: ['one();', 'two();'] });
  assert.ok(isQuoted(excerpt, 'zero();\n    one();\n    two();\n'));
  assert.ok(!isQuoted(excerpt, 'one();\nthree();\ntwo();\n'));
});

test('what the guide shows of preflight is what it says of the services before', async () => {
  const { files } = await listSources(before);
  const findings = analyse(files);
  const said = renderFindings(findings, picocolors.createColors(false));
  const [, block = ''] = /drover preflight examples\/cloudphone\/before\n```\n\n```\n([\s\S]*?)\n```/.exec(text) ?? [];
  const shown = block.split('\n').filter((line) => line !== '…');
  assert.equal(shown.pop(), `${files.length} files looked at: ${findings.length} findings`);
  assert.ok(shown.length >= 10);
  assert.deepEqual(
    shown.filter((line) => !said.includes(line)),
    [],
  );
});

test('what the guide gives a service that must be alone is understood as that', () => {
  const [, block = ''] = /```js\n(const onlyOne = [\s\S]*?)\n```/.exec(text) ?? [];
  const onlyOne = structuredClone(runInNewContext(`${block}; onlyOne`)) as object;
  const { services } = parseEcosystem(
    { apps: [{ script: 'a.js', ...onlyOne }] },
    { file: '/srv/a/ecosystem.config.js' },
  );
  const { scale, update, placement } = services[0]!.spec;
  assert.deepEqual(scale, { instances: 1 });
  assert.equal(update.order, 'stop-first');
  assert.equal(placement.onDisconnect, 'stop');
});
