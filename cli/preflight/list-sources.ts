import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { type IgnoreRules, readIgnoreRules } from '../pack/ignore-rules.ts';
import type { SourceText } from './analyse.ts';

const sourceName = /\.(?:[cm]?[jt]s|[jt]sx)$/;
const otherName = /\.d\.[cm]?ts$|\.(?:test|spec|e2e-spec|stories)\.[cm]?[jt]sx?$|\.min\.js$/;
/** What does not run in the service. */
const otherFolder = /^(?:node_modules|dist|coverage|tests?|__tests__|__mocks__|e2e)$/;
/** Larger files are made by programs, and take seconds each; they are named, so that nobody takes them for safe. */
const maxFileBytes = 1_048_576;
/** Far above any service; a home directory given by mistake ends here. */
const maxFiles = 20_000;

export interface SourceList {
  readonly files: readonly SourceText[];
  /** Files over 1 MiB, which were not read. */
  readonly tooLarge: readonly string[];
}

/**
 * The JavaScript and TypeScript below a directory, without what git or `.droverignore` leave out, installed and built
 * files, and tests.
 * @throws DroverError FILE_UNREADABLE when it is no directory that can be read, or holds too much.
 */
export async function listSources(root: string): Promise<SourceList> {
  const found: SourceText[] = [];
  const tooLarge: string[] = [];

  async function walk(directory: string, rules: IgnoreRules): Promise<void> {
    const inner = await rules.enter(directory);
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.name.startsWith('.') || inner.ignores(path, entry.isDirectory())) continue;
      if (entry.isDirectory() && !otherFolder.test(entry.name)) await walk(path, inner);
      if (!entry.isFile() || !sourceName.test(entry.name) || otherName.test(entry.name)) continue;
      const name = relative(root, path).replaceAll('\\', '/');
      if ((await stat(path)).size > maxFileBytes) {
        tooLarge.push(name);
        continue;
      }
      found.push({ path: name, text: await readFile(path, 'utf8') });
      if (found.length > maxFiles) throw new Error(`it holds more than ${maxFiles} source files`);
    }
  }

  try {
    await walk(root, await readIgnoreRules(root));
  } catch (error) {
    throw new DroverError('FILE_UNREADABLE', `${root} cannot be looked at: ${(error as Error).message}`);
  }
  return { files: found, tooLarge };
}
