import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { analyse } from '../../../cli/preflight/analyse.ts';
import { listSources } from '../../../cli/preflight/list-sources.ts';
import { rules } from '../../../cli/preflight/rules.ts';
import { readTree, root } from '../../architecture/source-tree.ts';
import { readDocument } from '../../docs/read-document.ts';

/** `line rule` of each finding in one file. */
function find(path: string, text: string): string[] {
  return analyse([{ path, text }]).map(({ line, rule }) => `${line} ${rule}`);
}

const before = join(root, 'examples/cloudphone/before');

test('every hazard that is marked in examples/cloudphone/before is found, and nothing else', async () => {
  const { files } = await listSources(before);
  const marked = files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      const rule = /\/\/ hazard: ([\w-]+)/.exec(line)?.[1];
      return rule === undefined ? [] : [`${path}:${index + 2} ${rule}`];
    }),
  );
  assert.ok(marked.length >= 15);
  const found = analyse(files).map(({ file, line, rule }) => `${file}:${line} ${rule}`);
  assert.deepEqual(found.sort(), marked.sort());
});

for (const example of ['hello', 'coordination']) {
  test(`nothing is found in examples/${example}`, async () => {
    const { files } = await listSources(join(root, 'examples', example));
    assert.ok(files.length > 0);
    assert.deepEqual(analyse(files), []);
  });
}

test('each file of this repository is read without a failure', () => {
  const files = readTree().filter(({ path }) => /\.([cm]?[jt]s|json|md|lua|py)$/.test(path));
  assert.ok(files.length > 500);
  const code = files.filter(({ path }) => /\.[cm]?[jt]s$/.test(path) && !path.startsWith('test/fixtures'));
  assert.deepEqual(
    analyse(code).filter(({ rule }) => rule === 'unreadable'),
    [],
  );
  // What is no code at all ends in a finding, not in an exception.
  for (const { path, text } of files) if (!code.some((one) => one.path === path)) find(`${path}.ts`, text);
});

test('pieces of code in any order end in findings, never in an exception', () => {
  const pieces = [
    ...[
      'const a = a;',
      'let b = { ...b };',
      'class A extends A { b = new A(); }',
      'app.listen(a);',
      'app.listen({ port: a })',
    ],
    ...[
      "import a from './a.js';",
      "export * from './a.js';",
      'module.exports = a;',
      'app.post("/", a, b, (q) => a.set(b, q));',
    ],
    ...[
      'function a(a) { a(a); b(a); }',
      'setTimeout(a, 1);',
      'a = a[a] = b;',
      'fs.writeFile(a, b);',
      'a.b.c.bind(a)();',
    ],
    ...[
      'while (true) { await a(); }',
      '@Cron(a) class B { @Cron() b() { this.b(); } }',
      '}',
      '(',
      '`${a',
      '// drover-ignore-next-line',
    ],
  ];
  const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((some) => some.join('\n'));
  const path = fc.constantFrom('a.js', 'a.ts', 'a.cjs', 'b.mts', 'b.jsx');
  fc.assert(
    fc.property(fc.array(fc.record({ path, text: texts }), { maxLength: 3 }), (files) => {
      for (const { line, column, rule } of analyse(files)) assert.ok(line >= 1 && column >= 1 && rule in rules);
    }),
  );
});

test('a syntax error is a finding with its position', () => {
  const [finding, ...others] = analyse([{ path: 'a.js', text: 'const a = 1;\nconst = 2;\n' }]);
  assert.deepEqual(others, []);
  assert.deepEqual([finding!.rule, finding!.line, finding!.column], ['unreadable', 2, 7]);
});

test('a collection of another file is found where it is declared, by what a handler does with it', () => {
  const routes = "import { seen } from './store.js';\napp.get('/', () => { seen.add(1); return seen.size; });\n";
  const files = [
    { path: 'src/store.ts', text: 'export const seen = new Set<number>();\n' },
    { path: 'src/routes.ts', text: routes },
  ];
  assert.deepEqual(
    analyse(files).map(({ file, rule }) => `${file} ${rule}`),
    ['src/store.ts memory-state'],
  );
});

test('a server is stopped in order by a file that imports it', () => {
  const server = {
    path: 'server.js',
    text: "exports.x = 1;\nrequire('http').createServer().listen(process.env.PORT);\n",
  };
  const main = { path: 'main.js', text: "require('./server');\nprocess.on('SIGTERM', () => stop());\n" };
  assert.deepEqual(
    analyse([server]).map(({ rule }) => rule),
    ['no-shutdown'],
  );
  assert.deepEqual(analyse([server, main]), []);
});

test('a place is left out by a comment with the rule and a reason, and by no other', () => {
  const place = 'setInterval(() => bill(), 1000);\n';
  const ignore = '// drover-ignore-next-line';
  assert.deepEqual(find('a.js', `${ignore} timer-work: one instance only\n${place}`), []);
  assert.deepEqual(find('a.js', `${ignore} timer-work\n${place}`), ['1 bad-ignore', '2 timer-work']);
  assert.deepEqual(find('a.js', `${ignore} no-such-rule: because\n${place}`), ['1 bad-ignore', '2 timer-work']);
  assert.deepEqual(find('a.js', `${ignore} fixed-port: because\n${place}`), ['2 timer-work']);
  assert.deepEqual(find('a.js', `${ignore} timer-work: because\n\n${place}`), ['3 timer-work']);
});

test('every rule is in the guide, and every rule leads to a heading that is there', () => {
  const guide = readFileSync(join(root, 'docs/guides/preflight.md'), 'utf8');
  for (const [id, { guide: target }] of Object.entries(rules)) {
    assert.ok(guide.includes(`| \`${id}\` |`), id);
    const [file, fragment] = target.split('#');
    const { anchors } = readDocument(`docs/${file}`);
    assert.ok(fragment === undefined || anchors.includes(fragment), target);
  }
});
