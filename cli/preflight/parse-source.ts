import { type ParserPlugin, parse } from '@babel/parser';
import type { File } from '@babel/types';

export type Parsed =
  | { readonly ok: true; readonly file: File }
  | { readonly ok: false; readonly line: number; readonly column: number; readonly message: string };

/** JavaScript and TypeScript in all their forms, by the ending of the name; never throws. Columns are from 1. */
export function parseSource(path: string, text: string): Parsed {
  try {
    const file = parse(text, {
      sourceType: 'unambiguous',
      plugins: pluginsFor(path),
      // What is only forbidden (a name declared twice) can be read all the same.
      errorRecovery: true,
      allowReturnOutsideFunction: true,
      allowAwaitOutsideFunction: true,
      allowNewTargetOutsideFunction: true,
      allowSuperOutsideMethod: true,
      allowUndeclaredExports: true,
    });
    return { ok: true, file };
  } catch (error) {
    const { loc, message } = error as Error & { loc?: { line: number; column: number } };
    const position = { line: loc?.line ?? 1, column: (loc?.column ?? 0) + 1 };
    return { ok: false, ...position, message: message.replace(/ \(\d+:\d+\)$/, '') };
  }
}

function pluginsFor(path: string): ParserPlugin[] {
  // The older decorators, because those of NestJS may stand before parameters.
  if (/\.[cm]?ts$/.test(path)) return ['typescript', 'decorators-legacy'];
  if (path.endsWith('.tsx')) return ['typescript', 'jsx', 'decorators-legacy'];
  return ['jsx', 'decorators-legacy'];
}
