import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { describeIssues, toIssues } from '../../shared/contracts/issues.ts';

const clusterSchema = z.strictObject({
  urls: z.array(z.url({ protocol: /^https?$/ })).min(1),
  token: z.string().min(1).optional(),
  ca: z.string().min(1).optional().describe('PEM'),
});

/** The clusters that the command line knows: `current` names the one it talks to. */
export const configFileSchema = z.strictObject({
  current: z.string().min(1),
  contexts: z.record(z.string().min(1), clusterSchema),
});

export type ConfigFile = z.infer<typeof configFileSchema>;
export type KnownCluster = z.infer<typeof clusterSchema>;

/** The file, or null when there is none. @throws DroverError FILE_INVALID or FILE_UNREADABLE */
export async function readConfigFile(file: string): Promise<ConfigFile | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new DroverError('FILE_UNREADABLE', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DroverError('FILE_INVALID', `${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const result = configFileSchema.safeParse(value);
  if (result.success) return result.data;
  const issues = toIssues(result.error);
  throw new DroverError('FILE_INVALID', `${file} does not fit: ${describeIssues(issues)}`, { issues });
}

/** Adds or replaces one cluster and makes it the current one. The file holds tokens: only its owner may read it. */
export async function saveCluster(file: string, name: string, cluster: KnownCluster): Promise<void> {
  const known = await readConfigFile(file);
  const config: ConfigFile = { current: name, contexts: { ...known?.contexts, [name]: cluster } };
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${crypto.randomUUID()}`;
  await writeFile(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, file);
}
