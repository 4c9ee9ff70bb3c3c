import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forbiddenText } from './rules/forbidden-text.ts';
import { importCycles } from './rules/import-cycles.ts';
import { importDirection, shimImports } from './rules/import-direction.ts';
import { fileLength, fileNames, luaHeaders } from './rules/naming.ts';
import { consoleAccess, processAccess } from './rules/process-access.ts';
import { purity } from './rules/purity.ts';
import { type Rule, report, sourceTree } from './source-tree.ts';

type Case = { title: string; rule: Rule; files: Record<string, string>; expected: RegExp };

const broken: Case[] = [
  {
    title: 'the controller importing the agent',
    rule: importDirection,
    files: { 'controller/app.ts': "import { a } from '../agent/session.ts';", 'agent/session.ts': '' },
    expected: /^controller\/app\.ts:1 imports agent\/session\.ts, but controller may import only shared\. Why: .*hosts/,
  },
  {
    title: 'shared importing anyone, even for a type',
    rule: importDirection,
    files: { 'shared/runtime/loop.ts': "import type { A } from '../../controller/app.ts';" },
    expected: /may import none of the other folders/,
  },
  {
    title: 'a program importing a test',
    rule: importDirection,
    files: { 'sdk/client.ts': "export { x } from '../test/support/x.ts';" },
    expected: /not part of what is published/,
  },
  {
    title: 'the CLI importing the store by a dynamic import',
    rule: importDirection,
    files: { 'cli/commands/ls.ts': "const store = await import('../../shared/redis/store.ts');" },
    expected: /cli may import only sdk/,
  },
  {
    title: 'a command that starts an agent loading it for every other command too',
    rule: importDirection,
    files: {
      'cli/commands/agent-join.ts': "import { a } from '../../agent/a.ts';\nawait import('../../agent/b.ts');",
    },
    expected: /^cli\/commands\/agent-join\.ts:1 imports agent\/a\.ts[^\n]*$/,
  },
  {
    title: 'a shim loading a package',
    rule: shimImports,
    files: { 'agent/shim/main.ts': "import pidusage from 'pidusage';" },
    expected: /loads the package pidusage in a shim/,
  },
  {
    title: 'a shim loading a file with imports',
    rule: shimImports,
    files: {
      'agent/shim/main.ts': "import { log } from '../../shared/runtime/logger.ts';",
      'shared/runtime/logger.ts': "import { writeSync } from 'node:fs';",
    },
    expected: /loads shared\/runtime\/logger\.ts, which has imports of its own/,
  },
  {
    title: 'a cycle of three files',
    rule: importCycles,
    files: {
      'shared/a.ts': "import './b.ts';",
      'shared/b.ts': "import { c } from './c.ts';",
      'shared/c.ts': "export * from './a.ts';",
    },
    expected:
      /^shared\/a\.ts is in an import cycle: shared\/a\.ts → shared\/b\.ts → shared\/c\.ts → shared\/a\.ts\. Why/,
  },
  {
    title: 'a clock in a pure folder',
    rule: purity,
    files: { 'controller/orchestrator/place.ts': '\nconst now = Date.now();' },
    expected: /place\.ts:2 uses Date\.now/,
  },
  {
    title: 'chance, timers and dates in a pure folder',
    rule: purity,
    files: { 'shared/state/a.ts': 'Math.random(); new Date(); performance.now(); setTimeout(f); crypto.randomUUID()' },
    expected: /new Date[\s\S]*Math\.random[\s\S]*performance[\s\S]*a timer[\s\S]*crypto/,
  },
  {
    title: 'a builtin module in a pure file',
    rule: purity,
    files: { 'agent/instance/restart.ts': "import { readFileSync } from 'node:fs';" },
    expected: /imports node:fs/,
  },
  {
    title: 'process.env outside main.ts',
    rule: processAccess,
    files: { 'agent/config.ts': 'const home = process.env.HOME;' },
    expected: /agent\/config\.ts:1 reads process\.env/,
  },
  {
    title: 'exits and signal handlers outside main.ts',
    rule: processAccess,
    files: { 'controller/app.ts': "process.on('SIGTERM', () => process.exit(0));" },
    expected: /ends the process[\s\S]*handles SIGTERM/,
  },
  {
    title: 'console in the agent',
    rule: consoleAccess,
    files: { 'agent/session.ts': 'console.log(1);' },
    expected: /writes to the console/,
  },
  {
    title: 'names that are not kebab-case or say nothing',
    rule: fileNames,
    files: {
      'agent/shimClient.ts': '',
      'shared/utils.ts': '',
      'cli/process-manager.ts': '',
      'shared/redis/index.ts': '',
    },
    expected: /not kebab-case[\s\S]*is named utils[\s\S]*is named manager[\s\S]*is a barrel/,
  },
  {
    title: 'a file of 351 lines',
    rule: fileLength,
    files: { 'agent/session.ts': '\n'.repeat(351) },
    expected: /has 351 lines/,
  },
];

for (const { title, rule, files, expected } of broken) {
  test(`a rule reports ${title}`, () => assert.match(report(rule(sourceTree(files))), expected));
}

test('a rule reports a Lua script without its contract, in either comment form', () => {
  const scripts = [
    { path: 'shared/redis/scripts/a.lua', text: '-- Takes the lease.\nreturn 1' },
    { path: 'shared/redis/scripts/b.lua', text: '-- Takes.\n-- Input:\n--   KEYS[1] lease\n-- Output: 1\nreturn 1' },
    { path: 'shared/redis/scripts/c.lua', text: '--[[\n  Takes.\n  Input: KEYS[1]\n  Output: 1\n]]\nreturn 1' },
  ];
  const found = luaHeaders(scripts);
  assert.deepEqual(
    found.map(({ file }) => file),
    ['shared/redis/scripts/a.lua'],
  );
});

test('a rule reports paths of one machine and package mirrors', () => {
  const files = [
    { path: 'README.md', text: ['see /wo', 'rk/main/x'].join('') },
    { path: 'package-lock.json', text: ['https://regis', 'try.npm', 'js.org/zod'].join('') },
    { path: 'CONTRIBUTING.md', text: 'the network/workers table' },
  ];
  assert.deepEqual(
    forbiddenText(files).map(({ file }) => file),
    ['README.md', 'package-lock.json'],
  );
});

test('rules leave words in comments, strings and regular expressions alone', () => {
  const files = sourceTree({
    'shared/state/a.ts': [
      '// Date.now() is an argument here',
      '/* import x from "node:fs" */',
      "const text = 'Math.random() // not a comment';",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the fixture is source text with a template in it
      'const nested = `a ${{ b: `Date.now() ${1} new Date` }.b} process.env`;',
      'const pattern = /["\'`]Date.now()/;',
      'const half = total / 2 / 1;',
    ].join('\n'),
  });
  assert.equal(report([purity, processAccess, importDirection].flatMap((rule) => rule(files))), '');
});

test('types may point in a circle, and pure files may use types of impure ones', () => {
  const files = sourceTree({
    'agent/reconcile/plan.ts': "import type { View } from '../view.ts';",
    'agent/view.ts': "import { plan } from './reconcile/plan.ts';",
  });
  assert.equal(report([purity, importCycles].flatMap((rule) => rule(files))), '');
});

test('rules see code inside a template', () => {
  const files = sourceTree({ 'shared/state/a.ts': ['`$', '{Date.now()}`'].join('') });
  assert.match(report(purity(files)), /uses Date\.now/);
});
