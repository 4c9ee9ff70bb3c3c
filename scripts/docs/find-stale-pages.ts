import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { handWritten, renderReferencePages } from './reference-pages.ts';

/** A page that is not what the tree says. */
export interface StalePage {
  readonly name: string;
  readonly problem: 'missing' | 'stale' | 'unknown';
}

/** Compares the folder with what would be generated, in both directions. */
export function findStalePages(folder: string): StalePage[] {
  const pages = renderReferencePages();
  const present = readdirSync(folder).filter((name) => !handWritten.includes(name));
  const wanted = [...pages].flatMap(([name, text]): StalePage[] => {
    if (!present.includes(name)) return [{ name, problem: 'missing' }];
    return readFileSync(path.join(folder, name), 'utf8') === text ? [] : [{ name, problem: 'stale' }];
  });
  const unknown = present.filter((name) => !pages.has(name)).map((name): StalePage => ({ name, problem: 'unknown' }));
  return [...wanted, ...unknown];
}
