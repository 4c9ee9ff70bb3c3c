import type { Instance } from '../../shared/contracts/entities.ts';
import type { LocalAgent, LocalCluster } from '../cluster/local-cluster.ts';
import type { Stage } from './scene.ts';

/** The name of the example service in all scenes. */
export const service = 'hello';

/** No request of any kind has failed since `before` were counted. */
export function checkNoFailures(
  stage: Stage,
  before: number,
  check: (promise: string, kept: boolean, measured: string) => void,
): void {
  const failed = stage.load.failed() - before;
  check('0 failed requests', failed === 0, `${failed} failed${failed === 0 ? '' : describeFailures(stage)}`);
}

/** The newest failures, for people. */
export function describeFailures({ load }: Stage): string {
  const all = Object.entries(load.figures()).flatMap(([kind, { failures }]) =>
    failures.map((failure) => `${kind}: ${failure}`),
  );
  return all.length === 0 ? '' : ` (${all.slice(-3).join('; ')})`;
}

const live = ({ status }: Instance) => status.state === 'running' && status.pid !== null;

/** Pids of the workers on one host, as the cluster knows them. */
export async function pidsOn({ client }: LocalCluster, agent: LocalAgent): Promise<number[]> {
  return (await client.listInstances({ query: { node: agent.name } }))
    .filter(live)
    .map(({ status }) => status.pid as number);
}

/** Pids of all workers, as the cluster knows them. */
export async function allPids({ client }: LocalCluster): Promise<number[]> {
  return (await client.listInstances({ query: {} })).filter(live).map(({ status }) => status.pid as number);
}

/** Whether both hold the same numbers, in any order. */
export function sameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}
