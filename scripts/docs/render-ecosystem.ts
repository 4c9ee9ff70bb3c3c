import {
  droverFields,
  healthCheckFields,
  healthFields,
  httpRunFields,
  jobFields,
  processRunFields,
  routeFields,
} from '../../shared/contracts/ecosystem/drover-fields.ts';
import { type Field, type Fields, spellings } from '../../shared/contracts/ecosystem/field.ts';
import { pm2Fields } from '../../shared/contracts/ecosystem/pm2-fields.ts';
import { code, renderTable } from './markdown.ts';
import { specRows } from './render-configuration.ts';

/** The page of the ecosystem file, from the very tables that read it. */
export function renderEcosystem(): string[] {
  return [
    '# Ecosystem file',
    '',
    '`drover deploy` takes the file that PM2 takes: `ecosystem.config.js`, `.cjs`, `.mjs`, `.json`, `.yaml` or `.yml`, with `apps`',
    '(or a list of apps, or one app). [ecosystem.example.config.js](ecosystem.example.config.js) shows every key with a comment.',
    '',
    '- **supported**: does what PM2 does, or what the last column says. *Becomes* is the field of the',
    '  [service spec](configuration.md#service-spec).',
    '- **noted**: has no effect here. The file is accepted, and a note says why where the value asks for something.',
    '- **refused**: leaving it out would surprise you, so the file is not accepted; the message says what to do.',
    '',
    'A key that neither PM2 nor Drover knows is an error that names the nearest one. snake_case and camelCase are both',
    'accepted. Durations are milliseconds or texts such as `"500ms"`, `"10s"`, `"2m"`, `"1h"`; sizes are bytes or texts such as `"512M"`.',
    '`deploy` beside `apps` is noted, `static` and `script: "serve"` are refused.',
    '',
    '## Fields of PM2',
    '',
    ...fieldTable(pm2Fields),
    '',
    '`env_<name>` is laid over `env` by `--env <name>`. A value `null` takes a variable away. `HOST` and the names that begin with',
    '`DROVER_` are set for each instance and cannot be given; `PORT` becomes the route `{ port }`.',
    '',
    '## Fields of Drover',
    '',
    'PM2 ignores them, so that one file serves both.',
    '',
    ...fieldTable(droverFields),
    '',
    '### health',
    '',
    ...fieldTable(healthFields, 'health'),
    '',
    '### health_check',
    '',
    'The form that some guides for PM2 show, and that PM2 itself ignores.',
    '',
    ...fieldTable(healthCheckFields, 'health'),
    '',
    '### routes',
    '',
    ...fieldTable(routeFields, 'routes[]'),
    '',
    '### jobs',
    '',
    'An object of jobs by name. The controllers run those of the stable revision, each tick at most once; `drover stop`, a',
    'deploy without the job, and deleting the service end its schedule.',
    '',
    ...fieldTable(jobFields, 'jobs.<name>'),
    '',
    '`run: { http: … }` calls one healthy instance with the headers `Drover-Run`, `Drover-Tick` and `Drover-Fence`; an answer of',
    '2xx is success, and its body (at most 4 KiB) the result. A path alone may stand for the object.',
    '',
    ...fieldTable(httpRunFields, 'jobs.<name>.run'),
    '',
    '`run: { script: … }` starts a process of the artifact on an eligible node, with `DROVER_JOB`, `DROVER_RUN`, `DROVER_TICK` and',
    '`DROVER_FENCE` besides its environment. Exit code 0 is success. At `max_run` it gets SIGINT and, `kill_timeout` later,',
    'SIGKILL. Its output is in the log files of its node under the name of the job.',
    '',
    ...fieldTable(processRunFields, 'jobs.<name>.run'),
    '',
  ];
}

const standing = {
  set: 'supported',
  group: 'supported',
  own: 'supported',
  ignored: 'noted',
  refused: 'refused',
} as const;

function fieldTable(fields: Fields, target = ''): string[] {
  return renderTable(['key', 'also', '', 'becomes', ''], rowsOf(fields, '', target));
}

function rowsOf(fields: Fields, prefix: string, target: string): string[][] {
  return Object.entries(fields).flatMap(([name, field]): string[][] => {
    const path = `${prefix}${name}`;
    if (field.kind === 'group') return rowsOf(field.fields, `${path}.`, joined(target, field.to));
    const to = 'to' in field ? joined(target, field.to) : '';
    const also = spellings(name, field).filter((spelling) => spelling !== name);
    return [[code(path), also.map(code).join(', '), standing[field.kind], code(to), meaningOf(field, to)]];
  });
}

function meaningOf(field: Field, to: string): string {
  switch (field.kind) {
    case 'own':
      return field.means;
    case 'ignored':
    case 'refused':
      return field.why;
    case 'set':
    case 'group':
      return specRows().find(({ path }) => path === to)?.description ?? '';
  }
}

function joined(base: string, path: string): string {
  return base === '' ? path : `${base}.${path}`;
}
