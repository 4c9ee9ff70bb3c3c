import { appendFile, cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { provideSdk } from '../../agent/artifact/provide-sdk.ts';

const root = join(import.meta.dirname, '../..');

/** How the instances of a platform agree: by the SDK, on sessions and limits only, or not at all (see alone-drover.ts). */
export const agreements = ['sdk', 'sessions', 'alone'] as const;
export type Agreement = (typeof agreements)[number];

const connects = { sessions: 'connectSessions as connect', alone: 'connect' } as const;

/** A copy of the platform as an agent would have laid it, with that package `drover`. Answers its directory. */
export async function layOutPlatform(above: string, agreement: Agreement): Promise<string> {
  const place = join(above, agreement);
  const directory = join(place, 'cloudphone');
  await mkdir(place, { recursive: true });
  provideSdk(place);
  if (agreement !== 'sdk') {
    const alone = new URL('alone-drover.ts', import.meta.url).href;
    const replaced = `export { ${connects[agreement]}, createSqlCallbackTable } from ${JSON.stringify(alone)};\n`;
    await appendFile(join(place, 'node_modules/drover/index.js'), replaced);
  }
  await cp(join(root, 'examples/cloudphone'), directory, { recursive: true });
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}
