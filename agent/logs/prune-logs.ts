import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Of each service: enough to look into the last deploys, while a service that is deployed all day does not fill the disk. */
const keptEndedInstances = 20;

/** Removes the log files of instances that are not in `living`, but for the last few of each service. */
export function pruneLogs(root: string, living: ReadonlySet<string>): void {
  for (const service of listNames(root)) {
    const directory = join(root, service);
    const ended = new Map<string, { readonly paths: string[]; writtenAtMs: number }>();
    for (const name of listNames(directory)) {
      const instanceId = name.slice(0, name.search(/\.(out|err)\.log(\.\d+)?$/));
      if (living.has(instanceId)) continue;
      const path = join(directory, name);
      const group = ended.get(instanceId) ?? { paths: [], writtenAtMs: 0 };
      group.paths.push(path);
      group.writtenAtMs = Math.max(group.writtenAtMs, statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
      ended.set(instanceId, group);
    }
    const oldestLast = [...ended.values()].sort((a, b) => b.writtenAtMs - a.writtenAtMs);
    for (const { paths } of oldestLast.slice(keptEndedInstances))
      for (const path of paths) rmSync(path, { force: true });
  }
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // Nothing has been logged yet.
    return [];
  }
}
