import { z } from 'zod';
import { errorRegistry } from '../../shared/contracts/error-code.ts';
import type { Operation } from '../../shared/contracts/operation.ts';
import { type OperationName, operations } from '../../shared/contracts/operations.ts';
import { problemSchema } from '../../shared/contracts/problem.ts';

/** Errors that any operation may answer, by how it is authenticated. */
const commonErrors = ['ARGUMENT_INVALID', 'STORE_UNREACHABLE', 'INTERNAL'] as const;
const authErrors = {
  none: [],
  token: ['TOKEN_MISSING', 'TOKEN_INVALID'],
  services: ['TOKEN_MISSING', 'TOKEN_INVALID'],
  node: ['CERTIFICATE_INVALID'],
  any: ['TOKEN_INVALID', 'CERTIFICATE_INVALID'],
} as const;

/** The OpenAPI 3.1 document of the table of operations; nothing in it is written by hand. */
export function renderOpenApi(version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, operation] of Object.entries(operations) as [OperationName, Operation][]) {
    const path = operation.path.replace(/:(\w+)/g, '{$1}');
    paths[path] ??= {};
    paths[path][operation.method.toLowerCase()] = describeOperation(name, operation);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Drover', version, license: { name: 'MIT', identifier: 'MIT' } },
    paths,
    components: {
      schemas: { Problem: jsonSchema(problemSchema, 'output') },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        certificate: { type: 'mutualTLS' },
      },
    },
  };
}

function describeOperation(name: OperationName, operation: Operation): Record<string, unknown> {
  const security = {
    none: [],
    token: [{ bearer: [] }],
    services: [{ bearer: [] }],
    node: [{ certificate: [] }],
    any: [{ bearer: [] }, { certificate: [] }],
  };
  return {
    operationId: name,
    summary: operation.summary,
    security: security[operation.auth],
    parameters: [...parameters(operation.params, 'path'), ...parameters(operation.query, 'query')],
    ...(operation.body === undefined && operation.bodyType === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              [operation.bodyType ?? 'application/json']: {
                schema:
                  operation.body === undefined
                    ? { type: 'string', format: 'binary' }
                    : jsonSchema(operation.body, 'input'),
              },
            },
          },
        }),
    responses: { [operation.status]: success(operation), ...failures(operation) },
  };
}

function success(operation: Operation): Record<string, unknown> {
  if (operation.stream === 'binary') {
    return {
      description: 'The bytes',
      content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
    };
  }
  if (operation.response === undefined) return { description: 'Done' };
  const type = operation.stream === 'sse' ? 'text/event-stream' : 'application/json';
  return {
    description: operation.stream === 'sse' ? 'A stream; the data of each event is one such object' : 'Done',
    content: { [type]: { schema: jsonSchema(operation.response, 'output') } },
  };
}

function failures(operation: Operation): Record<string, unknown> {
  const codes = [...operation.errors, ...authErrors[operation.auth], ...commonErrors];
  const byStatus = Map.groupBy(codes, (code) => errorRegistry[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => `${code}: ${errorRegistry[code].summary}`).join(' '),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

function parameters(schema: z.ZodObject | undefined, where: 'path' | 'query'): Record<string, unknown>[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, Record<string, unknown>>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    ...(typeof property.description === 'string' ? { description: property.description } : {}),
    schema: property,
  }));
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<string, unknown>;
  return rest;
}
