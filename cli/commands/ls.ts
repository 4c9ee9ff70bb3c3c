import type { Instance } from '../../shared/contracts/entities.ts';
import type { ServiceView } from '../../shared/contracts/operations.ts';
import { operations } from '../../shared/contracts/operations.ts';
import { defineCommand } from '../command.ts';
import { requestExitCodes } from '../exit-codes.ts';
import { exitedInstances, instanceCondition, isLive } from '../follow/instance-condition.ts';
import { flag } from '../option-types.ts';
import { renderInstances } from '../render/instances.ts';
import type { Output } from '../render/output.ts';
import { formatBytes, formatCores } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

export const ls = defineCommand({
  name: 'ls',
  aliases: ['list', 'status'],
  summary: operations.listServices.summary,
  arguments: {},
  options: {
    instances: { flags: '-i, --instances', summary: 'One line for each instance', schema: flag },
    all: { flags: '-a, --all', summary: 'With --instances: those that have ended too', schema: flag },
  },
  examples: [
    { command: 'drover ls', means: 'one line per service' },
    { command: 'drover ls --instances', means: 'one line per instance' },
    { command: 'drover ls --json', means: 'what the API answers' },
  ],
  exitCodes: requestExitCodes,
  async run({ options, context }) {
    const { output } = context;
    const client = await context.client();
    const [services, nodes] = await Promise.all([client.listServices(), client.listNodes()]);
    if (output.json) {
      output.object(options.instances ? services.flatMap(({ instances }) => instances) : services);
      return 0;
    }
    if (services.length === 0) {
      output.line('No services yet. Deploy one with: drover deploy');
      return 0;
    }
    if (options.instances) {
      const instances = services.flatMap((service) => {
        const exited = new Set(exitedInstances(service));
        return service.instances.filter((row) => options.all || isLive(row) || exited.has(row));
      });
      const names = new Map(nodes.map(({ id, name }) => [id, name]));
      for (const line of renderInstances(instances, names, output, Date.now())) output.line(line);
    } else for (const line of renderServices(services, output)) output.line(line);
    return 0;
  },
});

function renderServices(services: readonly ServiceView[], { columns, colors }: Output): string[] {
  const live = (service: ServiceView): Instance[] => service.instances.filter(isLive);
  const sum = (service: ServiceView, value: (instance: Instance) => number): number =>
    live(service).reduce((total, instance) => total + value(instance), 0);
  return renderTable(
    services,
    [
      { title: 'name', value: ({ name }) => name, keep: 9 },
      { title: 'rev', value: ({ target }) => String(target.revision), align: 'right', keep: 7 },
      { title: 'mode', value: ({ revision }) => revision.spec.execMode },
      { title: 'healthy', value: (row) => `${healthy(row)}/${live(row).length}`, align: 'right', keep: 8 },
      {
        title: 'nodes',
        value: (row) => String(new Set(live(row).map(({ nodeId }) => nodeId)).size),
        align: 'right',
        keep: 4,
      },
      { title: 'cpu', value: (row) => formatCores(sum(row, ({ status }) => status.cpu ?? 0)), align: 'right', keep: 3 },
      {
        title: 'mem',
        value: (row) => formatBytes(sum(row, ({ status }) => status.memoryBytes ?? 0)),
        align: 'right',
        keep: 3,
      },
      { title: 'restarts', value: (row) => String(sum(row, ({ status }) => status.restarts)), align: 'right', keep: 2 },
      {
        title: 'status',
        value: serviceStatus,
        keep: 8,
        paint: (cell, row) => (serviceStatus(row) === 'online' ? colors.green(cell) : colors.yellow(cell)),
      },
    ],
    { width: columns, header: colors.bold },
  );
}

function healthy({ instances }: ServiceView): number {
  return instances.filter((instance) => instanceCondition(instance) === 'healthy').length;
}

/** A service as one word, in PM2's manner. */
function serviceStatus(service: ServiceView): string {
  const live = service.instances.filter(isLive);
  if (service.deleted) return 'deleting';
  if (service.stopped) return live.length > 0 ? 'stopping' : 'stopped';
  if (service.deploymentId !== null && service.deployment !== null) return service.deployment.state;
  const wanted =
    typeof service.scale.instances === 'number' && service.scale.hosts === undefined ? service.scale.instances : 1;
  const exited = exitedInstances(service).length;
  if (exited > 0 && live.length === 0) return 'exited';
  if (live.length + exited >= wanted && healthy(service) === live.length) return 'online';
  return healthy(service) === 0 && wanted > 0 ? 'down' : 'degraded';
}
