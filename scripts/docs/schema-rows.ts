import { z } from 'zod';
import { code } from './markdown.ts';

/** One field of a schema, ready for a table. */
export interface SchemaRow {
  /** `restart.maxRestarts`, `routes[].port`. */
  readonly path: string;
  readonly type: string;
  readonly default: string;
  readonly required: boolean;
  readonly description: string;
}

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly $ref?: string;
}

export interface RowOptions {
  /** What a writer sends (`input`: fields with a default may be left out), or what is answered. */
  readonly io: 'input' | 'output';
  /** Schemas that have a section of their own: a field of such a type links to it instead of being taken apart. */
  readonly named?: ReadonlyMap<z.ZodType, string>;
}

/** The fields of a schema, nested ones by their path, in the order of the contract. */
export function schemaRows(schema: z.ZodType, { io, named = new Map() }: RowOptions): SchemaRow[] {
  const others = new Map([...named].filter(([other]) => other !== schema));
  const root = z.toJSONSchema(schema, { io, unrepresentable: 'any', metadata: withNames(others) }) as JsonSchema;
  return rowsOf(root, '');
}

/** The type of a whole schema, in a few words. */
export function describeType(schema: z.ZodType, options: RowOptions): string {
  const { io, named = new Map() } = options;
  return typeOf(z.toJSONSchema(schema, { io, unrepresentable: 'any', metadata: withNames(named) }) as JsonSchema);
}

/** The global registry, which holds descriptions, with ids for the named schemas, so that these become references. */
function withNames(named: ReadonlyMap<z.ZodType, string>): typeof z.globalRegistry {
  return {
    get: (schema: z.ZodType) => {
      const id = named.get(schema);
      const meta = z.globalRegistry.get(schema);
      return id === undefined ? meta : { ...meta, id };
    },
    has: (schema: z.ZodType) => named.has(schema) || z.globalRegistry.has(schema),
  } as unknown as typeof z.globalRegistry;
}

function rowsOf(schema: JsonSchema, path: string): SchemaRow[] {
  const objects = objectsOf(schema);
  const names = [...new Set(objects.flatMap(({ properties = {} }) => Object.keys(properties)))];
  return names.flatMap((name) => {
    const variants = objects.flatMap(({ properties }) => properties?.[name] ?? []);
    const field = variants.length > 1 ? mergeVariants(variants) : variants[0]!;
    const required = objects.every(({ required: list }) => list?.includes(name) ?? false);
    return fieldRows(field, path === '' ? name : `${path}.${name}`, required);
  });
}

function fieldRows(field: JsonSchema, path: string, required: boolean): SchemaRow[] {
  const inner = [...rowsOf(field, path), ...(field.items === undefined ? [] : rowsOf(field.items, `${path}[]`))];
  // A group without a word of its own needs no row beside those of its fields.
  const isGroup = inner.length > 0 && field.properties !== undefined && field.description === undefined;
  if (isGroup) return inner;
  const hasDefault = field.default !== undefined && !(inner.length > 0 && isEmpty(field.default));
  const row: SchemaRow = {
    path,
    type: typeOf(field),
    default: hasDefault ? code(JSON.stringify(field.default)) : '',
    required: required && field.default === undefined,
    description: field.description ?? '',
  };
  return [row, ...inner];
}

/** `{}` or `[]` of a group or list: the rows of its fields say more. */
function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** The alternatives of a union that are objects; null and plain values among them have no fields. */
function objectsOf(schema: JsonSchema): JsonSchema[] {
  if (schema.properties !== undefined) return [schema];
  return [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(objectsOf);
}

/** The same field in several alternatives: `type` of a tagged union becomes a choice. */
function mergeVariants(variants: readonly JsonSchema[]): JsonSchema {
  const constants = variants.flatMap((variant) => (variant.const === undefined ? [] : [variant.const]));
  return constants.length === variants.length ? { enum: constants } : variants[0]!;
}

function typeOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return linkTo(schema.$ref);
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((value) => code(JSON.stringify(value))).join(', ');
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) return [...new Set(alternatives.map(typeOf))].join(' or ');
  if (schema.allOf?.length === 1) return typeOf(schema.allOf[0]!);
  switch (schema.type) {
    case 'integer':
    case 'number':
      return `${schema.type === 'integer' ? 'whole number' : 'number'}${range(schema)}`;
    case 'string':
      return textType(schema);
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    case 'array': {
      const most = schema.maxItems === undefined ? '' : `, at most ${schema.maxItems}`;
      return `list of ${schema.items === undefined ? 'anything' : typeOf(schema.items)}${most}`;
    }
    case 'object':
      return isMap(schema) ? `map of ${typeOf(schema.additionalProperties as JsonSchema)}` : 'object';
    default:
      return 'anything';
  }
}

function isMap({ properties, additionalProperties }: JsonSchema): boolean {
  return properties === undefined && typeof additionalProperties === 'object';
}

function textType({ pattern, format, minLength, maxLength }: JsonSchema): string {
  if (pattern === '^[0-9a-f]{64}$') return 'SHA-256, hex';
  if (format === 'uri') return 'URL';
  const bounds = [
    minLength !== undefined && minLength > 1 ? `at least ${minLength}` : '',
    maxLength === undefined ? '' : `at most ${maxLength}`,
  ].filter((bound) => bound !== '');
  return bounds.length === 0 ? 'text' : `text, ${bounds.join(' and ')} characters`;
}

/** Bounds that only say "fits a double" are not worth a word. */
function range({ minimum, maximum }: JsonSchema): string {
  const from = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const to = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (from !== undefined && to !== undefined) return `, ${from} to ${to}`;
  if (from !== undefined) return `, at least ${from}`;
  return to === undefined ? '' : `, at most ${to}`;
}

function linkTo(reference: string): string {
  const name = reference.split('/').at(-1)!;
  // How zod names what has no name: of our schemas only z.json(), which contains itself.
  if (name.startsWith('__schema')) return 'any JSON';
  return `[${name}](#${name.toLowerCase()})`;
}
