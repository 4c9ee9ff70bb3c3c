import type { Report } from '../../contracts/agent-session.ts';
import type { RouterStatus } from '../../contracts/entities.ts';
import type { NewEvent } from '../../contracts/events.ts';
import { isTerminal } from '../../state/instance-states.ts';
import { applyReport } from './apply-report.ts';
import { type Expectation, transact, type Write } from './commit.ts';
import type { StatusDocument } from './instance-document.ts';
import type { NodeDocument } from './node-document.ts';
import { readInstances } from './read-instances.ts';
import type { StoreContext } from './store-context.ts';

/** Takes in what a node says it runs. Answers with the version of desired state. */
export async function takeInReport(
  context: StoreContext,
  nodeId: string,
  agentId: string,
  report: Report,
): Promise<number> {
  const { keys } = context;
  await transact(context, 'take in a report', async () => {
    const [node, lastReport, router] = await context.ask('read a node', (redis) =>
      Promise.all([redis.hget(keys.nodes, nodeId), redis.hget(keys.reports, nodeId), redis.hget(keys.routers, nodeId)]),
    );
    // A removed node learns of it from its plan.
    if (node === null || isOutdated(lastReport, agentId, report.sequence)) return { result: undefined };

    const expect: Expectation[] = [
      { key: keys.nodes, field: nodeId, text: node },
      { key: keys.reports, field: nodeId, text: lastReport },
    ];
    const write: Write[] = [['HSET', keys.reports, nodeId, `${report.sequence} ${agentId}`]];
    const events: NewEvent[] = [];
    const released: string[] = [];
    let matters = false;

    const statuses = new Map(report.instances.map(({ instanceId, status }) => [instanceId, status]));
    for (const { instance, statusText } of await readInstances(context, keys.instancesOnNode(nodeId))) {
      const status = statuses.get(instance.id);
      if (instance.status.state === 'lost') {
        // The node has come back. What it has ended holds its port no longer, nor what it does not run although its plan
        // is new enough to have told it: an agent that has only just started may not have found all of its workers yet.
        const { lostAtVersion = 0 } = JSON.parse(statusText) as StatusDocument;
        const gone = status === undefined ? report.planVersion >= lostAtVersion : isTerminal(status.state);
        if (gone) released.push(instance.id);
        continue;
      }
      const change = status === undefined ? null : applyReport(instance, status);
      if (status === undefined || change === null) continue;
      const document: StatusDocument = { ...change.status, reportedAt: context.nowMs() };
      expect.push({ key: keys.statuses, field: instance.id, text: statusText });
      write.push(['HSET', keys.statuses, instance.id, JSON.stringify(document)]);
      events.push(...change.events);
      matters ||= change.matters;
      if (isTerminal(change.status.state)) released.push(instance.id);
    }

    const routerChange = changeRouter(router, report.router, (JSON.parse(node) as NodeDocument).router);
    if (routerChange !== 'none') {
      const status = routerChange === 'gone' ? null : { nodeId, ...routerChange, reportedAt: context.nowMs() };
      write.push(
        status === null
          ? ['HDEL', keys.routers, nodeId]
          : ['HSET', keys.routers, nodeId, JSON.stringify(status satisfies RouterStatus)],
      );
      matters = true;
    }
    return {
      step: {
        expect,
        write,
        releasePorts: released.map((instanceId) => ({ nodeId, instanceId })),
        events,
        ...(matters ? { wake: { kind: 'report' as const, nodes: [nodeId] } } : {}),
      },
      result: undefined,
    };
  });
  return Number((await context.ask('read the version', (redis) => redis.get(keys.version))) ?? 0);
}

function isOutdated(lastReport: string | null, agentId: string, sequence: number): boolean {
  if (lastReport === null) return false;
  const [lastSequence = '0', lastAgent] = lastReport.split(' ', 2);
  return lastAgent === agentId && sequence <= Number(lastSequence);
}

type RouterReport = NonNullable<Report['router']>;

/**
 * An agent that has just started says nothing of its router until it has found it again; the router still routes by
 * its last table, so what is known of it stays for as long as the node is meant to have one.
 */
function changeRouter(
  stored: string | null,
  reported: Report['router'],
  hasRouter: boolean,
): RouterReport | 'gone' | 'none' {
  if (reported === null) return stored !== null && !hasRouter ? 'gone' : 'none';
  const { epoch, generation, busy, errors, listen } = reported;
  const next: RouterReport = { epoch, generation, busy, errors, listen };
  if (stored === null) return next;
  const last = JSON.parse(stored) as RouterStatus;
  const same =
    last.epoch === epoch &&
    last.generation === generation &&
    last.listen === listen &&
    JSON.stringify([last.busy, last.errors]) === JSON.stringify([busy, errors]);
  return same ? 'none' : next;
}
