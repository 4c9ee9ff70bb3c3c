import { readFile, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import ignore, { type Ignore } from 'ignore';

/** Which paths of a directory go into its artifact. */
export interface IgnoreRules {
  /** Rules that hold below `directory`, with those of its own `.gitignore`. */
  enter(directory: string): Promise<IgnoreRules>;
  /** Whether git, or `.droverignore`, leaves it out; `isDirectory` because "dist/" means directories only. */
  ignores(path: string, isDirectory: boolean): boolean;
}

interface Layer {
  readonly base: string;
  readonly rules: Ignore;
}

/**
 * The rules for `root`: `.gitignore` files from the top of its git work tree down, the deepest deciding, and its
 * `.droverignore` over all of them, which may also bring back what git ignores ("!dist/").
 */
export async function readIgnoreRules(root: string): Promise<IgnoreRules> {
  const above: Layer[] = [];
  const directories = await directoriesUpToGit(root);
  for (const directory of directories) {
    const layer = await readLayer(directory, '.gitignore');
    if (layer !== undefined) above.unshift(layer);
  }
  const own = await readLayer(root, '.droverignore');
  return rulesOf(root, above, own);
}

function rulesOf(root: string, layers: readonly Layer[], own: Layer | undefined): IgnoreRules {
  return {
    async enter(directory) {
      if (directory === root) return rulesOf(root, layers, own);
      const layer = await readLayer(directory, '.gitignore');
      return layer === undefined ? this : rulesOf(root, [...layers, layer], own);
    },
    ignores(path, isDirectory) {
      for (const { base, rules } of [...(own === undefined ? [] : [own]), ...layers.toReversed()]) {
        const decision = decide(rules, relative(base, path), isDirectory);
        if (decision !== undefined) return decision === 'ignored';
      }
      return false;
    },
  };
}

/** What one file of rules says of a path. A directory that it brings back comes with all that is below, unless a rule says no. */
function decide(rules: Ignore, path: string, isDirectory: boolean): 'ignored' | 'included' | undefined {
  const { ignored, unignored } = rules.test(`${path}${isDirectory ? '/' : ''}`);
  if (ignored) return 'ignored';
  if (unignored) return 'included';
  const parent = dirname(path);
  return parent === '.' || decide(rules, parent, true) !== 'included' ? undefined : 'included';
}

async function readLayer(base: string, name: string): Promise<Layer | undefined> {
  const text = await readFile(join(base, name), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : { base, rules: ignore().add(text) };
}

/** `root` and the directories above it up to the one that holds `.git`; `root` alone when it is in no work tree. */
async function directoriesUpToGit(root: string): Promise<string[]> {
  const directories = [];
  for (let directory = root; ; directory = dirname(directory)) {
    directories.push(directory);
    if (
      await stat(join(directory, '.git')).then(
        () => true,
        () => false,
      )
    )
      return directories;
    if (directory === dirname(directory)) return [root];
  }
}
