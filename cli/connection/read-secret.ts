import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import type { CommandContext } from '../context.ts';

/** Reads a token from a file, or from standard input for "-", without the line break at its end. */
export async function readSecret(
  file: string,
  option: string,
  { directory, stdin }: Pick<CommandContext, 'directory' | 'stdin'>,
): Promise<string> {
  const path = resolve(directory, file);
  const content = await (file === '-' ? text(stdin()) : readFile(path, 'utf8')).catch((error) => {
    throw new DroverError('FILE_UNREADABLE', `${option} ${path} cannot be read: ${error.message}`, { cause: error });
  });
  const secret = content.trim();
  if (secret !== '') return secret;
  throw new DroverError('FILE_INVALID', `${option} ${file === '-' ? 'standard input' : path} is empty`);
}
