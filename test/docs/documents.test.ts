import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { buildProgram } from '../../cli/build-program.ts';
import { loadCommands } from '../../cli/command-table.ts';
import packageFile from '../../package.json' with { type: 'json' };
import { parseEcosystem } from '../../shared/contracts/ecosystem.ts';
import { readTree, root } from '../architecture/source-tree.ts';
import { readCommands, readDocument } from './read-document.ts';

const commands = await loadCommands();
const files = [...globSync('*.md', { cwd: root }), ...globSync('{docs,deploy,examples}/**/*.md', { cwd: root })].sort();
const documents = files.map(readDocument);
const [english, chinese] = [readDocument('README.md'), readDocument('README.zh-CN.md')];

/** Commands that are named because they are not there yet. */
const notYet: string[] = [];

/** Names that stand for any file of their kind. */
const patterns = ['shared/redis/scripts/verb-noun.lua'];

/** Parses a command line as the CLI does, and runs nothing. */
async function parse(words: readonly string[]): Promise<string | null> {
  let understood = false;
  const onCommand = async () => {
    understood = true;
  };
  const program = buildProgram({ version: '0.0.0', commands, print: () => undefined, onCommand });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return understood ? null : 'names no command';
  } catch (error) {
    return (error as Error).message;
  }
}

/** `drover node drain` in a sentence names the verb; its argument may be left out there. */
function isOnlyNamed(words: readonly string[]): boolean {
  return commands.some(({ name, aliases = [] }) => [name, ...aliases].includes(words.join(' ')));
}

for (const document of documents) {
  const lines = readCommands(document).filter(([verb]) => !notYet.includes(verb!));
  if (lines.length === 0) continue;
  test(`the CLI understands every command in ${document.file}`, async () => {
    const wrong: string[] = [];
    for (const words of lines) {
      const problem = isOnlyNamed(words) ? null : await parse(words);
      if (problem !== null) wrong.push(`drover ${words.join(' ')}: ${problem}`);
    }
    assert.deepEqual(wrong, []);
  });
}

test('a command that the CLI does not have, and an option that it does not take, are found', async () => {
  assert.match((await parse(['deplyo'])) ?? '', /unknown command/);
  assert.match((await parse(['ls', '--nothing'])) ?? '', /unknown option/);
  assert.match((await parse(['token', 'create', '--uses', 'many'])) ?? '', /whole number/);
});

test('every npm script that a document names is in package.json', () => {
  const scripts = Object.keys(packageFile.scripts);
  const named = documents.flatMap(({ file, blocks, inline }) =>
    [...inline, ...blocks.filter(({ language }) => language === 'sh').flatMap(({ lines }) => lines)].flatMap((text) =>
      [...text.matchAll(/\bnpm (?:run (?:--silent )?)?(start|test|(?<=run )[\w:]+)/g)].map((match) => ({
        file,
        script: match[1]!,
      })),
    ),
  );
  assert.ok(named.length > 10);
  assert.deepEqual(
    named.filter(({ script }) => !scripts.includes(script)),
    [],
  );
});

test('every link leads to a file, and every fragment to a heading', () => {
  const broken = documents.flatMap(({ file, links }) =>
    links.flatMap((link) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [target = '', fragment] = link.split('#');
      const resolved = target === '' ? file : path.posix.join(path.posix.dirname(file), target);
      if (!existsSync(path.join(root, resolved))) return [`${file}: ${link}`];
      if (fragment === undefined || !resolved.endsWith('.md')) return [];
      return readDocument(resolved).anchors.includes(fragment) ? [] : [`${file}: ${link}`];
    }),
  );
  assert.deepEqual(broken, []);
});

test('every file of the tree that a document names is there', () => {
  const paths = readTree().map(({ path: file }) => file);
  const gone = documents.flatMap(({ file, inline }) =>
    inline
      .filter((text) => !patterns.includes(text))
      .filter(
        (text) =>
          /^[\w/.-]+\.(ts|lua|cjs|mjs)$/.test(text) ||
          /^(agent|cli|controller|scripts|sdk|shared|test)\/[\w/-]+\/?$/.test(text),
      )
      .filter(
        (text) =>
          !paths.some(
            (known) => known === text || known.endsWith(`/${text}`) || known.startsWith(`${text.replace(/\/$/, '')}/`),
          ),
      )
      .map((text) => `${file}: ${text}`),
  );
  assert.deepEqual(gone, []);
});

test('the ecosystem files that documents show can be deployed as they are', () => {
  const shown = documents.flatMap(({ file, blocks }) =>
    blocks
      .filter(({ language, lines }) => language === 'js' && lines.some((line) => line.startsWith('module.exports')))
      .map(({ lines }) => ({ file, text: lines.join('\n') })),
  );
  assert.ok(shown.length >= 3);
  for (const { file, text } of shown) {
    const module = { exports: {} };
    runInNewContext(text, { module });
    const { services } = parseEcosystem(structuredClone(module.exports), { file: `/srv/api/${path.basename(file)}` });
    assert.deepEqual(
      services.map(({ spec }) => spec.name),
      ['api'],
    );
  }
});

test('both READMEs have the same sections', () => {
  const shape = (document: typeof english) => document.headings.map((line) => line.split(' ')[0]);
  assert.deepEqual(shape(chinese), shape(english));
});

test('both READMEs show the same commands, files and output', () => {
  const code = (document: typeof english) =>
    document.blocks.filter(({ lines }) => !lines.some((line) => /▶/.test(line)));
  assert.deepEqual(code(chinese), code(english));
  assert.deepEqual(readCommands(chinese), readCommands(english));
});
