import { resolve } from 'node:path';
import type { EcosystemService } from '../../shared/contracts/ecosystem.ts';
import type { CommandContext } from '../context.ts';
import { type LoadedFile, loadFile } from '../file/load-file.ts';
import { checkScripts, scriptInArtifact } from '../pack/check-scripts.ts';
import { type PackedArtifact, packDirectory } from '../pack/pack-directory.ts';
import { count, formatBytes } from '../render/quantity.ts';

export interface PrepareOptions {
  readonly file: string | undefined;
  readonly env: string | undefined;
  readonly only: readonly string[] | undefined;
  readonly includeModules: boolean;
}

/** A file with its artifact, ready to be planned or deployed. */
export interface PreparedDeploy {
  readonly loaded: LoadedFile;
  /** Null when every script of the file is on the nodes already. */
  readonly artifact: PackedArtifact | null;
  /** The artifact that a service needs, or null. */
  artifactOf(service: EcosystemService): string | null;
}

/** Artifacts above this are worth a word: something was packed that does not belong there. */
const largeArtifactBytes = 20 * 1_048_576;

/** Loads and checks the file, packs its directory and checks that the scripts are in it. Nothing has left this host then. */
export async function prepareDeploy(context: CommandContext, options: PrepareOptions): Promise<PreparedDeploy> {
  const { output, directory, signal } = context;
  const { env, only } = options;
  const loaded = await loadFile(options.file, { directory: resolve(directory), env, only });
  for (const note of loaded.notes) output.note(`${output.colors.yellow('note')} ${note}`);
  const needsArtifact = ({ spec }: EcosystemService): boolean =>
    scriptInArtifact(spec, loaded.directory) !== undefined || !spec.cwd.startsWith('/');
  if (!loaded.services.some(needsArtifact)) return { loaded, artifact: null, artifactOf: () => null };

  const includeModules = options.includeModules || loaded.services.some(({ spec }) => spec.dependencies === 'shipped');
  const artifact = await packDirectory(loaded.directory, { includeModules, signal });
  try {
    checkScripts(loaded.services, { directory: loaded.directory, paths: artifact.paths, file: loaded.file });
  } catch (error) {
    await artifact.remove();
    throw error;
  }
  output.note(
    `packed ${count(artifact.paths.length, 'file')} of ${loaded.directory}, ${formatBytes(artifact.bytes)} (sha256 ${artifact.digest.slice(0, 12)})`,
  );
  if (artifact.bytes > largeArtifactBytes) {
    output.note(
      `${output.colors.yellow('warning')} the artifact is large; leave out what the service does not need with .droverignore`,
    );
  }
  return { loaded, artifact, artifactOf: (service) => (needsArtifact(service) ? artifact.digest : null) };
}
