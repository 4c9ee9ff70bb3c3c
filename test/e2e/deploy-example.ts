import { readFile, writeFile } from 'node:fs/promises';
import type { LocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { type CommandResult, runDrover } from '../../scripts/cluster/run-drover.ts';
import { type ExampleVersion, writeExample } from '../../scripts/story/example-version.ts';

export interface ExampleDeploy extends ExampleVersion {
  /** Fields of the ecosystem file over those of the example. */
  readonly app?: Readonly<Record<string, unknown>>;
  readonly args?: readonly string[];
}

/** Deploys a version of the example, with fields of its ecosystem file changed, by the command that users type. */
export async function deployExample(
  { cluster, workshop }: { readonly cluster: LocalCluster; readonly workshop: string },
  { app = {}, args = [], ...version }: ExampleDeploy,
): Promise<CommandResult> {
  const file = await writeExample(workshop, version);
  const { apps } = JSON.parse(await readFile(file, 'utf8')) as { apps: [Record<string, unknown>] };
  await writeFile(file, JSON.stringify({ apps: [{ ...apps[0], ...app }] }));
  return runDrover(['deploy', file, '--yes', ...args], { env: cluster.env });
}
