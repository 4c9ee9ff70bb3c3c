import type { z } from 'zod';
import {
  artifactSchema,
  controllerSchema,
  deploymentFailureSchema,
  deploymentSchema,
  exitRecordSchema,
  instanceSchema,
  instanceStatusSchema,
  joinTokenSchema,
  nodeFactsSchema,
  nodeSchema,
  revisionSchema,
  routerStatusSchema,
  serviceSchema,
  targetSchema,
} from '../../shared/contracts/entities.ts';
import { errorRegistry } from '../../shared/contracts/error-code.ts';
import { eventSchema } from '../../shared/contracts/events.ts';
import type { Operation } from '../../shared/contracts/operation.ts';
import {
  clusterSchema,
  joinResultSchema,
  logLineSchema,
  operations,
  planServiceResultSchema,
  serviceViewSchema,
} from '../../shared/contracts/operations.ts';
import { problemSchema } from '../../shared/contracts/problem.ts';
import { serviceSpecSchema, updatePolicySchema } from '../../shared/contracts/spec.ts';
import { code, renderTable } from './markdown.ts';
import { describeType, type SchemaRow, schemaRows } from './schema-rows.ts';

/** Objects with a section of their own. */
const objects = new Map<z.ZodType, string>([
  [clusterSchema, 'Cluster'],
  [controllerSchema, 'Controller'],
  [routerStatusSchema, 'RouterStatus'],
  [nodeSchema, 'Node'],
  [nodeFactsSchema, 'NodeFacts'],
  [joinResultSchema, 'JoinResult'],
  [joinTokenSchema, 'JoinToken'],
  [serviceViewSchema, 'ServiceView'],
  [serviceSchema, 'Service'],
  [revisionSchema, 'Revision'],
  [targetSchema, 'Target'],
  [deploymentSchema, 'Deployment'],
  [deploymentFailureSchema, 'DeploymentFailure'],
  [planServiceResultSchema, 'Plan'],
  [instanceSchema, 'Instance'],
  [instanceStatusSchema, 'InstanceStatus'],
  [exitRecordSchema, 'ExitRecord'],
  [artifactSchema, 'Artifact'],
  [logLineSchema, 'LogLine'],
  [eventSchema, 'Event'],
  [problemSchema, 'Problem'],
]);

/** Described on the page of the configuration. */
const elsewhere = new Map<z.ZodType, string>([
  [serviceSpecSchema, 'ServiceSpec'],
  [updatePolicySchema, 'UpdatePolicy'],
]);

const named = new Map([...objects, ...elsewhere]);

const authentication: Record<Operation['auth'], string> = {
  none: 'none',
  token: 'bearer token',
  services: 'bearer token, also the one that services are given',
  node: 'certificate of a node',
  any: 'bearer token, or certificate of a node',
};

/** The page of the REST API, from the table of operations. */
export function renderApi(): string[] {
  return [
    '# REST API',
    '',
    'Every controller answers every operation, whichever leads. The same table makes the routes, the client of the CLI and',
    '`/openapi.json` (OpenAPI 3.1), which each controller serves without a token, like `/healthz` (the process lives) and',
    '`/readyz` (it reaches Redis; 503 when it does not).',
    '',
    '- HTTPS only, under the certificate authority of the cluster (`ca.pem` in the data directory of each controller).',
    '- A token goes in the header `Authorization: Bearer <token>`.',
    '- Bodies are JSON unless something else is said. Durations are milliseconds, sizes are bytes, instants are milliseconds',
    '  since 1970 and are for people: nothing is decided by comparing instants of two machines.',
    '- A refusal is `application/problem+json` ([Problem](#problem)) with a code of [errors.md](errors.md). Any operation may',
    '  answer `ARGUMENT_INVALID`, `STORE_UNREACHABLE` or `INTERNAL` besides the codes that it lists.',
    '- Streams are `text/event-stream`; the data of each event is one JSON object.',
    '',
    ...renderTable(
      ['operation', 'request', 'what it does'],
      (Object.entries(operations) as [string, Operation][]).map(([name, { method, path, summary }]) => [
        `[${name}](#${name.toLowerCase()})`,
        code(`${method} ${path}`),
        summary,
      ]),
    ),
    '',
    '## Operations',
    '',
    ...(Object.entries(operations) as [string, Operation][]).flatMap(([name, operation]) =>
      renderOperation(name, operation),
    ),
    '## Objects',
    '',
    ...[...objects].flatMap(([schema, name]) => [
      `### ${name}`,
      '',
      ...fieldTable(schemaRows(schema, { io: 'output', named })),
      '',
    ]),
    ...[...elsewhere.values()].flatMap((name) => [
      `### ${name}`,
      '',
      `See the [service spec](configuration.md#service-spec)${name === 'UpdatePolicy' ? ', fields `update.*`' : ''}.`,
      '',
    ]),
  ];
}

function renderOperation(name: string, operation: Operation): string[] {
  const { method, path, summary, auth, params, query, body, bodyType, errors } = operation;
  const inputs = [
    ...(params === undefined ? [] : inputRows(params, 'path')),
    ...(query === undefined ? [] : inputRows(query, 'query')),
    ...(body === undefined ? [] : inputRows(body, 'body')),
    ...(bodyType === undefined ? [] : [['', 'body', code(bodyType), '', '']]),
  ];
  return [
    `### ${name}`,
    '',
    '```http',
    `${method} ${path}`,
    '```',
    '',
    `${summary}. Authentication: ${authentication[auth]}.`,
    '',
    ...(inputs.length === 0 ? [] : [...renderTable(['field', 'in', 'type', 'default', ''], inputs), '']),
    `Answers ${operation.status}${answerOf(operation)}.${errors.length === 0 ? '' : ` Refuses with ${errors.map(linkToError).join(', ')}.`}`,
    '',
  ];
}

function inputRows(schema: z.ZodType, where: string): string[][] {
  return schemaRows(schema, { io: 'input', named }).map(({ path, type, default: value, required, description }) => [
    code(path),
    where,
    type,
    value !== '' ? value : required ? 'required' : '',
    description,
  ]);
}

function answerOf({ response, stream }: Operation): string {
  if (stream === 'binary') return ' with the bytes';
  if (response === undefined) return '';
  const type = describeType(response, { io: 'output', named });
  if (stream === 'sse') return ` with a stream of ${type}`;
  if (type !== 'object') return ` with ${type}`;
  const fields = schemaRows(response, { io: 'output', named }).map(({ path }) => code(path));
  return ` with an object of ${fields.join(', ')}`;
}

function fieldTable(rows: readonly SchemaRow[]): string[] {
  return renderTable(
    ['field', 'type', ''],
    rows.map(({ path, type, description }) => [code(path), type, description]),
  );
}

function linkToError(name: keyof typeof errorRegistry): string {
  return `[${name}](errors.md#${name}) (${errorRegistry[name].status})`;
}
