import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { configPath } from '../connection/resolve-connection.ts';
import type { CommandContext } from '../context.ts';
import { asDroverError } from '../render/error.ts';
import { formatBytes } from '../render/quantity.ts';
import type { CheckResult } from './check-result.ts';

/** Below this logs and artifacts of a busy host fill the disk within hours. */
const littleDiskBytes = 1_073_741_824;

/** What can be said without asking anyone: the configuration and this host's disk. */
export async function checkConfiguration(context: CommandContext): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  try {
    const { urls, source, token } = await context.connection();
    results.push({ level: 'ok', name: 'configuration', finding: `${urls.join(', ')} from ${source}` });
    if (token === undefined) {
      const fix =
        'give --token-file, or set DROVER_TOKEN; the admin token is admin-token in the data directory of the first controller';
      results.push({ level: 'fail', name: 'token', finding: 'there is none for this cluster', fix });
    }
  } catch (error) {
    results.push({ level: 'fail', name: 'configuration', finding: asDroverError(error).message });
  }
  const file = configPath(context);
  const mode = await stat(file).then(
    (found) => found.mode & 0o077,
    () => 0,
  );
  if (mode !== 0) {
    results.push({
      level: 'warn',
      name: 'configuration',
      finding: `${file} holds a token and others may read it`,
      fix: `chmod 600 ${file}`,
    });
  }
  results.push(await checkDisk(dirname(file), context.home));
  return results;
}

async function checkDisk(directory: string, home: string): Promise<CheckResult> {
  const disk = await statfs(directory).catch(() => statfs(home));
  const free = disk.bavail * disk.bsize;
  const finding = `${formatBytes(free)} free on this host's disk`;
  return free < littleDiskBytes
    ? { level: 'warn', name: 'disk', finding, fix: 'make room: logs, artifacts and Redis need it' }
    : { level: 'ok', name: 'disk', finding };
}
