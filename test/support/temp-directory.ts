import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Lifetime } from './lifetime.ts';

/** Makes an empty directory of its own and removes it, with all it holds, when the test ends. Returns its real path. */
export function tempDirectory(t: Lifetime, prefix = 'drover-test-'): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), prefix)));
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  return directory;
}
