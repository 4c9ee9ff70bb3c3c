import path from 'node:path';
import { isIn, type Rule, type SourceFile, type TreeFile, topFolder, type Violation } from '../source-tree.ts';

const sourceFolders = [
  'shared',
  'controller',
  'agent',
  'cli',
  'sdk',
  'bench',
  'scripts',
  'test',
  'examples',
  'dashboard',
];

const emptyWords = ['util', 'utils', 'helper', 'helpers', 'manager', 'impl', 'misc', 'common'];

/** Past about 300 lines a second noun is hiding; the last 50 are room for a table. */
const maxLines = 350;

/** One table each, row after row of data; to split it would hide what is missing. */
const tables = ['shared/contracts/operations.ts'];

/** The public entries of the sdk, and those of benchmarks and examples; anywhere else an index is a barrel. */
const indexPlaces = [
  ...['sdk/index.ts', 'sdk/client/index.ts', 'sdk/fastify/index.ts', 'sdk/express/index.ts'],
  ...['sdk/socket-io/index.ts', 'sdk/testing/index.ts', 'bench', 'examples', 'test/fixtures'],
];

/** kebab-case names that say something. */
export const fileNames: Rule = (files) =>
  files.filter(isSource).flatMap((file): Violation[] => {
    const found: Violation[] = [];
    const strange = file.path.split('/').find((part) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/.test(part));
    if (strange !== undefined && !isIn(file.path, 'test/fixtures')) {
      found.push({
        file: file.path,
        problem: `has the name ${strange}, which is not kebab-case`,
        reason: 'one spelling, so that a name can be guessed',
      });
    }
    const words = file.path.replace(/\..*$/, '').split(/[/-]/);
    const empty = words.find((word) => emptyWords.includes(word));
    if (empty !== undefined) {
      found.push({
        file: file.path,
        problem: `is named ${empty}`,
        reason: 'the word says nothing; name what the file holds',
      });
    }
    if (/^index\./.test(path.posix.basename(file.path)) && !indexPlaces.some((place) => isIn(file.path, place))) {
      found.push({
        file: file.path,
        problem: 'is a barrel',
        reason: 'it hides what depends on what, and loads all of a folder for one name of it',
      });
    }
    return found;
  });

/** No file outside test/ that is too long to read at one go. */
export const fileLength: Rule = (files) =>
  files
    .filter((file) => isSource(file) && topFolder(file.path) !== 'test' && !tables.includes(file.path))
    .flatMap((file): Violation[] => {
      const lines = file.text.split('\n').length - 1;
      if (lines <= maxLines) return [];
      return [
        {
          file: file.path,
          problem: `has ${lines} lines, over ${maxLines}`,
          reason: 'ask what second noun is hiding in it',
        },
      ];
    });

/** A Lua script is a transition with a contract: a header names its keys and arguments, and what it answers. */
export function luaHeaders(files: readonly TreeFile[]): Violation[] {
  return files
    .filter((file) => file.path.endsWith('.lua'))
    .flatMap((file): Violation[] => {
      const header = /^(?:--[^\n]*\n)*/.exec(file.text.replace(/^--\[\[([\s\S]*?)\]\]/, commentLines))?.[0] ?? '';
      const missing = ['Input', 'Output'].filter((word) => !new RegExp(`^--\\s*${word}\\b`, 'm').test(header));
      if (missing.length === 0) return [];
      return [
        {
          file: file.path,
          problem: `has no ${missing.join(' and no ')} in its header`,
          reason: 'KEYS[3] and ARGV[7] have no names; the header is the only place that says what they are',
        },
      ];
    });
}

function commentLines(_block: string, body: string): string {
  return body
    .trim()
    .split('\n')
    .map((line) => `-- ${line.trim()}\n`)
    .join('');
}

function isSource(file: SourceFile): boolean {
  return sourceFolders.includes(topFolder(file.path));
}
