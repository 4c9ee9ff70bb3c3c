import packageFile from '../../package.json' with { type: 'json' };
import type { Client } from '../../sdk/client/create-client.ts';
import { asDroverError } from '../render/error.ts';
import { count } from '../render/quantity.ts';
import type { CheckResult } from './check-result.ts';

/** What the cluster says of itself: token, leader, routers, nodes and versions. */
export async function checkCluster(client: Client): Promise<CheckResult[]> {
  let answers: [Awaited<ReturnType<Client['getCluster']>>, Awaited<ReturnType<Client['listNodes']>>];
  try {
    answers = await Promise.all([client.getCluster(), client.listNodes()]);
  } catch (error) {
    const { code, message } = asDroverError(error);
    const name = code.startsWith('TOKEN') ? 'token' : 'cluster';
    const fix = name === 'token' ? 'use the admin-token of the data directory of the first controller' : 'see above';
    return [{ level: 'fail', name, finding: message, fix }];
  }
  const [cluster, nodes] = answers;
  const results: CheckResult[] = [{ level: 'ok', name: 'token', finding: 'is accepted' }];
  results.push(
    cluster.leader === null
      ? {
          level: 'fail',
          name: 'leader',
          finding: 'there is none',
          fix: 'wait a few seconds; then look at the logs of the controllers',
        }
      : { level: 'ok', name: 'leader', finding: `${cluster.leader.controllerId} (term ${cluster.leader.term})` },
  );
  if (nodes.length === 0) {
    results.push({
      level: 'warn',
      name: 'nodes',
      finding: 'there are none',
      fix: 'drover token create, then drover agent join on each host',
    });
  }
  for (const { name, state, eligibility } of nodes) {
    if (state !== 'ready') {
      const fix = `is the agent on ${name} running, and does it reach a controller?`;
      results.push({ level: state === 'lost' ? 'fail' : 'warn', name: `node ${name}`, finding: `is ${state}`, fix });
    } else if (eligibility !== 'eligible') {
      results.push({
        level: 'warn',
        name: `node ${name}`,
        finding: `is ${eligibility}`,
        fix: `drover node undrain ${name}`,
      });
    }
  }
  const ready = nodes.filter(({ state }) => state === 'ready').length;
  if (ready > 0)
    results.push({ level: 'ok', name: 'nodes', finding: `${ready} of ${count(nodes.length, 'node')} ready` });

  const behind = cluster.routers.filter(({ epoch }) => epoch < cluster.routingEpoch);
  for (const { nodeId, epoch } of behind) {
    const finding = `has routing epoch ${epoch}, the cluster ${cluster.routingEpoch}`;
    results.push({
      level: 'warn',
      name: `router ${nodeId}`,
      finding,
      fix: 'look again in a second; then restart its agent',
    });
  }
  for (const { nodeId, errors } of cluster.routers) {
    for (const { port, code } of errors) {
      const fix = 'free the port on that host, or give the service another route';
      results.push({
        level: 'fail',
        name: `router ${nodeId}`,
        finding: `cannot listen on port ${port} (${code})`,
        fix,
      });
    }
  }
  const versions = new Set([
    packageFile.version,
    ...cluster.controllers.map(({ version }) => version),
    ...nodes.map(({ version }) => version),
  ]);
  results.push(
    versions.size === 1
      ? { level: 'ok', name: 'versions', finding: `all ${packageFile.version}` }
      : {
          level: 'warn',
          name: 'versions',
          finding: `${[...versions].sort().join(', ')} at once`,
          fix: 'controllers first, then agents; one version apart is supported',
        },
  );
  return results;
}
