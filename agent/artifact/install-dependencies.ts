import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { npmCi } from './npm-ci.ts';

export interface InstallOptions {
  /** Where `package.json` may be. */
  readonly directory: string;
  /** Shared by all artifacts of this host. */
  readonly dependencies: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The npm to run, as a path or a name in PATH. Default: the one of the agent's Node. */
  readonly npm?: string;
  readonly signal?: AbortSignal;
}

interface PackageFile {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly workspaces?: unknown;
}

const installing = new Map<string, Promise<void>>();

/** Stands in a directory from before npm begins there until it has succeeded: modules beside it may be half of them. */
const unfinishedMark = '.drover-installing';

/** Scripts that npm runs for the package itself on `npm ci`; they expect its sources beside them. */
const ownScripts = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'] as const;

/**
 * Makes `node_modules` of an unpacked artifact: once per lock file on this host, and shared by symbolic link. A package
 * that brings local packages or install scripts of its own is installed in its own directory, because they need its sources.
 * Does nothing without dependencies, or where they are there already.
 *
 * @throws an error whose message says what to do, with the last lines of npm.
 */
export async function installDependencies(options: InstallOptions): Promise<void> {
  const { directory } = options;
  const manifest = readPackage(directory);
  const isThere = existsSync(join(directory, 'node_modules')) && !existsSync(join(directory, unfinishedMark));
  if (manifest === null || isThere) return;
  const lockPath = ['package-lock.json', 'npm-shrinkwrap.json'].map((name) => join(directory, name)).find(existsSync);
  if (lockPath === undefined) {
    if (!hasDependencies(manifest)) return;
    throw new Error('package.json has dependencies but no lock file: run npm install and commit package-lock.json');
  }
  const lock = readFileSync(lockPath);
  if (needsOwnDirectory(manifest, lock.toString('utf8'))) {
    await once(directory, () => installOwn(options));
    return;
  }
  const key = createHash('sha256').update(lock).update(process.version).update(process.arch).digest('hex');
  const shared = join(options.dependencies, key);
  await once(shared, () => installShared({ ...options, shared }));
  linkModules(shared, directory);
}

async function installOwn(options: InstallOptions): Promise<void> {
  const mark = join(options.directory, unfinishedMark);
  writeFileSync(mark, '');
  await npmCi(options);
  rmSync(mark);
}

async function installShared(options: InstallOptions & { readonly shared: string }): Promise<void> {
  const { directory, shared } = options;
  if (existsSync(shared)) return;
  const building = `${shared}.building`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true, mode: 0o755 });
  for (const name of ['package.json', 'package-lock.json', 'npm-shrinkwrap.json', '.npmrc']) {
    if (existsSync(join(directory, name))) copyFileSync(join(directory, name), join(building, name));
  }
  try {
    await npmCi({ ...options, directory: building });
    mkdirSync(join(building, 'node_modules'), { recursive: true });
    renameSync(building, shared);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** A second call for the same thing waits for the first. */
function once(key: string, install: () => Promise<void>): Promise<void> {
  const running = installing.get(key);
  if (running !== undefined) return running;
  const started = install().finally(() => installing.delete(key));
  installing.set(key, started);
  return started;
}

function linkModules(shared: string, directory: string): void {
  try {
    symlinkSync(join(shared, 'node_modules'), join(directory, 'node_modules'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function readPackage(directory: string): PackageFile | null {
  const path = join(directory, 'package.json');
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as PackageFile;
  } catch (error) {
    throw new Error(`package.json is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
}

function hasDependencies({ dependencies = {}, optionalDependencies = {} }: PackageFile): boolean {
  return Object.keys(dependencies).length + Object.keys(optionalDependencies).length > 0;
}

function needsOwnDirectory({ scripts = {}, workspaces }: PackageFile, lock: string): boolean {
  const isLocal = /"link":\s*true|"resolved":\s*"file:|"version":\s*"file:/.test(lock);
  return workspaces !== undefined || isLocal || ownScripts.some((name) => scripts[name] !== undefined);
}
