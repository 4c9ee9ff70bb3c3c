import type { Reader } from './read-value.ts';

/** What becomes of one field of an app: the table of these is both the parser and the reference page. */
export type Field = SetField | GroupField | OwnField | IgnoredField | RefusedField;

interface Named {
  /** Other spellings. The camelCase form of each spelling is accepted without being listed. */
  readonly aliases?: readonly string[];
}

/** Copied to `to` (a path in the spec) as `read` returns it. */
export interface SetField extends Named {
  readonly kind: 'set';
  readonly to: string;
  readonly read: Reader<unknown>;
}

/** An object whose fields are described by a table of their own. */
export interface GroupField extends Named {
  readonly kind: 'group';
  readonly to: string;
  readonly fields: Fields;
}

/** Read by code, because it depends on other fields; `to` only says where problems with it come from. */
export interface OwnField extends Named {
  readonly kind: 'own';
  readonly to: string;
  readonly means: string;
}

/** Has no effect here, and a note says why, unless its value asks for nothing (`quietWhen`). */
export interface IgnoredField extends Named {
  readonly kind: 'ignored';
  readonly why: string;
  readonly quietWhen?: (value: unknown) => boolean;
}

/** Cannot be left out without surprise: an error says what to do. */
export interface RefusedField extends Named {
  readonly kind: 'refused';
  readonly why: string;
}

export type Fields = Readonly<Record<string, Field>>;

/** All spellings under which `name` may appear in a file; the name that the spec has for it is one. */
export function spellings(name: string, field: Field): string[] {
  const written = [name, ...(field.aliases ?? [])];
  const ofSpec = field.kind === 'set' ? [field.to.split('.').at(-1)!] : [];
  return [...new Set([...written, ...written.map(toCamelCase), ...ofSpec])];
}

function toCamelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
