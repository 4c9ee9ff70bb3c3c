import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The entries of the SDK by the name under which a service imports them; those of `exports` in package.json. */
export const sdkEntries: Readonly<Record<string, URL>> = {
  '.': new URL('../../sdk/index.ts', import.meta.url),
  './client': new URL('../../sdk/client/index.ts', import.meta.url),
  './fastify': new URL('../../sdk/fastify/index.ts', import.meta.url),
  './express': new URL('../../sdk/express/index.ts', import.meta.url),
  './socket-io': new URL('../../sdk/socket-io/index.ts', import.meta.url),
  './testing': new URL('../../sdk/testing/index.ts', import.meta.url),
};

/**
 * Puts a package `drover` where modules below `directory` find it, each entry a re-export of the SDK beside this agent.
 * A service so coordinates with the version that its host runs, whether it has `drover` in its dependencies or not; one
 * that brings its own finds that first. Workers may be loading it: a file is replaced whole, and only when it differs.
 */
export function provideSdk(directory: string): void {
  const folder = join(directory, 'node_modules', 'drover');
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const exported: Record<string, string> = {};
  for (const [entry, url] of Object.entries(sdkEntries)) {
    const file = entry === '.' ? './index.js' : `${entry}.js`;
    exported[entry] = file;
    replace(join(folder, file), `export * from ${JSON.stringify(url.href)};\n`);
  }
  const manifest = { name: 'drover', private: true, type: 'module', exports: exported };
  replace(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

function replace(file: string, content: string): void {
  if (existsSync(file) && readFileSync(file, 'utf8') === content) return;
  writeFileSync(`${file}.tmp`, content);
  renameSync(`${file}.tmp`, file);
}
