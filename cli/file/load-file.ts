import { access, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { type Ecosystem, parseEcosystem } from '../../shared/contracts/ecosystem.ts';

export interface LoadedFile extends Ecosystem {
  /** Absolute path. */
  readonly file: string;
  /** What is packed: the directory that the file is in. */
  readonly directory: string;
}

export interface LoadFileOptions {
  /** Relative paths are relative to this. */
  readonly directory: string;
  readonly env?: string | undefined;
  readonly only?: readonly string[] | undefined;
}

/** Looked for in this order when no file is named. */
export const defaultFiles = ['js', 'cjs', 'mjs', 'json', 'yaml', 'yml'].map((ending) => `ecosystem.config.${ending}`);

/**
 * Finds, loads and checks an ecosystem file; `given` may also be a directory that holds one.
 * @throws DroverError FILE_UNREADABLE when there is none, FILE_INVALID when it throws or does not fit.
 */
export async function loadFile(given: string | undefined, options: LoadFileOptions): Promise<LoadedFile> {
  const { directory, env, only } = options;
  const file = await findFile(given, directory);
  const value = await readValue(file);
  const ecosystem = parseEcosystem(value, {
    file,
    ...(env === undefined ? {} : { env }),
    ...(only === undefined ? {} : { only }),
  });
  return { ...ecosystem, file, directory: dirname(file) };
}

async function findFile(given: string | undefined, directory: string): Promise<string> {
  const path = resolve(directory, given ?? '.');
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'does not exist' : `cannot be read: ${error.message}`;
    throw new DroverError('FILE_UNREADABLE', `${path} ${reason}`, { cause: error });
  });
  if (!found.isDirectory()) return path;
  for (const name of defaultFiles) {
    const candidate = join(path, name);
    if (
      await access(candidate).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  throw new DroverError(
    'FILE_UNREADABLE',
    `There is no ecosystem file in ${path}: name one, or write ecosystem.config.js`,
    {
      details: { looked: defaultFiles },
    },
  );
}

async function readValue(file: string): Promise<unknown> {
  switch (extname(file)) {
    case '.js':
    case '.cjs':
    case '.mjs':
    case '.ts':
      return runModule(file);
    case '.yaml':
    case '.yml': {
      const { parse } = await import('yaml');
      return parseText(file, parse);
    }
    case '.json':
      return basename(file) === 'package.json' ? packageApps(file) : parseText(file, JSON.parse);
    default:
      throw new DroverError(
        'FILE_UNREADABLE',
        `${file} is of an unknown kind: js, cjs, mjs, json, yaml or yml is needed`,
      );
  }
}

/** A module is run anew each time: a long-lived caller must see what was changed, also in what the module requires. */
async function runModule(file: string): Promise<unknown> {
  try {
    if (extname(file) === '.cjs' || (extname(file) === '.js' && !(await isEsm(file)))) {
      const require = createRequire(file);
      for (const loaded of Object.keys(require.cache)) {
        if (loaded.startsWith(`${dirname(file)}/`) && !loaded.includes('/node_modules/')) delete require.cache[loaded];
      }
      return require(file);
    }
    const url = pathToFileURL(file);
    url.searchParams.set('at', String((await stat(file)).mtimeMs));
    const module = (await import(url.href)) as { default?: unknown };
    return module.default ?? module;
  } catch (error) {
    const thrown = whatItThrew(error);
    const message = /module is not defined in ES module/.test(thrown)
      ? 'its package.json makes it an ES module: rename it to .cjs, or write "export default"'
      : thrown;
    const text = `${file}${lineOf(error, file)} cannot be loaded: ${indent(message)}`;
    throw new DroverError('FILE_INVALID', text, { cause: error });
  }
}

/** As Node decides for a `.js` file, with what its syntax says where no package.json does. */
async function isEsm(file: string): Promise<boolean> {
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    const text = await readFile(join(directory, 'package.json'), 'utf8').catch(() => undefined);
    if (text !== undefined) {
      const type = (parseOrNothing(text) as { type?: string } | undefined)?.type;
      if (type !== undefined) return type === 'module';
      break;
    }
    if (directory === dirname(directory)) break;
  }
  return /^\s*(export\s|import\s)/m.test(await readFile(file, 'utf8'));
}

/** The line of the user's own file, out of a stack that is mostly Node's. */
function lineOf(error: unknown, file: string): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const line = new RegExp(`${RegExp.escape(file)}(?:\\?[^:)]*)?:(\\d+)`).exec(stack)?.[1];
  return line === undefined ? '' : `:${line}`;
}

/** All that the file says of why it throws. Which of Node's modules have loaded it helps nobody. */
function whatItThrew(error: unknown): string {
  if (!(error instanceof Error)) return `it throws ${typeof error === 'string' ? error : inspect(error)}`;
  const [message = ''] = error.message.split('\nRequire stack:\n');
  return `${error.name}: ${message}`;
}

/** Further lines of a message begin under it, not at the margin where the next message would. */
function indent(message: string): string {
  return message.trimEnd().replaceAll('\n', '\n  ');
}

async function packageApps(file: string): Promise<unknown> {
  const value = (await parseText(file, JSON.parse)) as { apps?: unknown; pm2?: unknown; drover?: unknown };
  const apps = value.drover ?? value.pm2 ?? value.apps;
  if (apps !== undefined) return typeof apps === 'object' && apps !== null && 'apps' in apps ? apps : { apps };
  throw new DroverError(
    'FILE_INVALID',
    `${file} has neither "drover" nor "pm2" nor "apps", so it says nothing to deploy`,
  );
}

async function parseText(file: string, parse: (text: string) => unknown): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new DroverError('FILE_UNREADABLE', `${file} cannot be read: ${error.message}`, { cause: error });
  });
  try {
    return parse(text);
  } catch (error) {
    throw new DroverError(
      'FILE_INVALID',
      `${file} cannot be read as ${extname(file).slice(1)}: ${indent((error as Error).message)}`,
      {
        cause: error,
      },
    );
  }
}

function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
