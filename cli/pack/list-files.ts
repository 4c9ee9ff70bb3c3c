import { readdir, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { DroverError, type ErrorIssue } from '../../shared/contracts/drover-error.ts';
import { describeIssues } from '../../shared/contracts/issues.ts';
import { type IgnoreRules, readIgnoreRules } from './ignore-rules.ts';

export interface FileList {
  /** Paths relative to the directory, sorted by their bytes: the order in the artifact. Directories only when they are empty. */
  readonly paths: readonly string[];
  /** Bytes of all files. */
  readonly bytes: number;
}

/**
 * Lists what of `root` belongs into its artifact: not `.git`, not `node_modules` (unless asked), not what git or
 * `.droverignore` leave out.
 * @throws DroverError FILE_INVALID when a link leads out of the directory: the nodes do not have what is there.
 */
export async function listFiles(root: string, { includeModules }: { includeModules: boolean }): Promise<FileList> {
  const paths: string[] = [];
  const issues: ErrorIssue[] = [];
  let bytes = 0;

  async function walk(directory: string, rules: IgnoreRules | undefined): Promise<void> {
    const inner = await rules?.enter(directory);
    const entries = await readdir(directory, { withFileTypes: true });
    if (entries.length === 0 && directory !== root) paths.push(`${relative(root, directory)}/`);
    for (const entry of entries) {
      const path = join(directory, entry.name);
      if (entry.name === '.git') continue;
      const isModules = entry.name === 'node_modules';
      if (isModules && !includeModules) continue;
      // Installed modules are taken as they are: git ignores them all, and their own ignore files are about their sources.
      if (!isModules && inner?.ignores(path, entry.isDirectory()) === true) continue;
      if (entry.isDirectory()) await walk(path, isModules ? undefined : inner);
      else if (entry.isSymbolicLink()) {
        const issue = await linkIssue(root, path);
        if (issue === undefined) paths.push(relative(root, path));
        else issues.push(issue);
      } else if (entry.isFile()) {
        paths.push(relative(root, path));
        bytes += (await stat(path)).size;
      }
    }
  }

  await walk(root, await readIgnoreRules(root));
  if (issues.length > 0)
    throw new DroverError('FILE_INVALID', `${root} cannot be packed: ${describeIssues(issues)}`, { issues });
  return { paths: paths.sort(byBytes), bytes };
}

async function linkIssue(root: string, path: string): Promise<ErrorIssue | undefined> {
  const target = await readlink(path);
  const lexical = resolve(dirname(path), target);
  const real = await realpath(path).catch(() => lexical);
  if (isWithin(root, lexical) && isWithin(root, real) && !target.startsWith('/')) return undefined;
  return {
    path: relative(root, path),
    reason: `is a link to ${target}, which is not inside of what is packed`,
    allowed: 'relative links inside of the directory; copy the file, or name the link in .droverignore',
  };
}

function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}

/** Independent of the locale, so that every machine packs in the same order. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
