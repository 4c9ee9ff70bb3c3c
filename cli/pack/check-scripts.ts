import { posix } from 'node:path';
import { DroverError, type ErrorIssue } from '../../shared/contracts/drover-error.ts';
import { nearestName } from '../../shared/contracts/ecosystem/nearest-name.ts';
import type { EcosystemService } from '../../shared/contracts/ecosystem.ts';
import { describeIssues } from '../../shared/contracts/issues.ts';

/** Where a script is inside the artifact, or undefined when it is a command, or a path of the nodes' own. */
export function scriptInArtifact(
  { script, cwd, interpreter }: EcosystemService['spec'],
  directory: string,
): string | undefined {
  const isCommand = !script.includes('/') && posix.extname(script) === '' && (interpreter ?? 'none') === 'none';
  const path = posix.resolve(directory, cwd, script);
  if (isCommand || !path.startsWith(`${directory}/`)) return undefined;
  return path.slice(directory.length + 1);
}

/**
 * Finds scripts that are not among the packed paths, before anything is uploaded.
 * @throws DroverError FILE_INVALID naming `apps[i].script`.
 */
export function checkScripts(
  services: readonly EcosystemService[],
  { directory, paths, file }: { directory: string; paths: readonly string[]; file: string },
): void {
  const packed = new Set(paths);
  const issues: ErrorIssue[] = [];
  for (const { spec, path } of services) {
    const script = scriptInArtifact(spec, directory);
    if (script === undefined || packed.has(script)) continue;
    const nearest = nearestName(script, paths);
    issues.push({
      path: `${path}.script`,
      reason: `${script} is not among the ${paths.length} packed files of ${directory}; if git ignores it, add "!${script.split('/')[0]}" to .droverignore${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
    });
  }
  if (issues.length === 0) return;
  throw new DroverError('FILE_INVALID', `${file} names a script that is not there: ${describeIssues(issues)}`, {
    issues,
  });
}
