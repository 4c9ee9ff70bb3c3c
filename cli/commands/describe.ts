import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { exitedInstances, isLive } from '../follow/instance-condition.ts';
import { renderInstances } from '../render/instances.ts';
import { formatAge } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';
import { serviceArgument } from './deploy-options.ts';
import { selectServices } from './select-services.ts';

/** Older revisions are in --json. */
const maxRevisions = 10;

export const describe = defineCommand({
  name: 'describe',
  aliases: ['show', 'info'],
  summary: `${operations.getService.summary}, its revisions and its last deployment`,
  arguments: serviceArgument,
  options: {},
  examples: [{ command: 'drover describe api', means: 'what runs, where, since when, and why not' }],
  exitCodes: requestExitCodes,
  async run({ args, context }) {
    const { output } = context;
    const { bold, dim, red } = output.colors;
    const client = await context.client();
    await selectServices(client, [args.service]);
    const params = { name: args.service };
    const [service, revisions, nodes] = await Promise.all([
      client.getService({ params }),
      client.listRevisions({ params }),
      client.listNodes(),
    ]);
    if (output.json) {
      output.object({ ...service, revisions });
      return 0;
    }
    const { revision, deployment, scale, target } = service;
    const now = Date.now();
    const field = (name: string, value: string): void => output.line(`  ${name.padEnd(12)} ${value}`);
    output.line(bold(service.name));
    field(
      'revision',
      `${target.revision}, deployed ${formatAge(revision.createdAt, now)} ago by ${revision.createdBy}`,
    );
    field('script', [revision.spec.script, ...revision.spec.args].join(' '));
    field('mode', revision.spec.execMode);
    field('instances', `${scale.instances}${scale.hosts === undefined ? '' : ` on each of ${scale.hosts} hosts`}`);
    field('routes', revision.spec.routes.map(routeText).join(', ') || 'none');
    field('artifact', revision.artifact ?? 'none: the script is on the nodes');
    if (service.stopped) field('stopped', 'yes; start it with: drover start');
    if (deployment !== null) {
      output.line();
      output.line(bold(`${deployment.kind} to revision ${deployment.to.revision}`));
      field('state', `${deployment.state}${deployment.reason === '' ? '' : `: ${deployment.reason}`}`);
      field(
        'progress',
        `${deployment.progress.updated}/${deployment.progress.total} updated, ${deployment.progress.healthy} healthy`,
      );
      field('started', `${formatAge(deployment.createdAt, now)} ago by ${deployment.createdBy}`);
      for (const failure of deployment.failures) {
        field('failed', red(`slot ${failure.slot} on ${failure.node}: ${failure.reason}`));
        for (const line of failure.lastLines.slice(-5)) output.line(dim(`    ${line}`));
      }
    }
    output.line();
    const names = new Map(nodes.map(({ id, name }) => [id, name]));
    const present = [...service.instances.filter(isLive), ...exitedInstances(service)];
    for (const line of renderInstances(present, names, output, now)) output.line(line);
    output.line();
    const table = renderTable(
      revisions.slice(0, maxRevisions),
      [
        { title: 'revision', value: (row) => String(row.revision), align: 'right', keep: 3 },
        { title: 'age', value: (row) => formatAge(row.createdAt, now), keep: 2 },
        { title: 'by', value: (row) => row.createdBy },
        {
          title: '',
          value: (row) =>
            row.revision === target.revision ? 'now' : row.revision === service.stable?.revision ? 'stable' : '',
          keep: 2,
        },
      ],
      { width: output.columns, header: bold },
    );
    for (const line of table) output.line(line);
    return 0;
  },
});

function routeText({
  port,
  host,
  path,
}: {
  port?: number | undefined;
  host?: string | undefined;
  path?: string | undefined;
}): string {
  return [port === undefined ? '' : `port ${port}`, host ?? '', path ?? ''].filter((part) => part !== '').join(' ');
}
