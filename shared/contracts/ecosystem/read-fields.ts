import type { ErrorIssue } from '../drover-error.ts';
import { type Field, type Fields, spellings } from './field.ts';
import { nearestName } from './nearest-name.ts';
import { isObject, Refusal, show } from './read-value.ts';

/** One object of a file as far as its table can read it. */
export interface FieldsRead {
  /** What `set` and `group` fields came to, nested as in the spec. */
  readonly spec: Record<string, unknown>;
  /** Raw values of the `own` fields present, by canonical name. */
  readonly own: Map<string, unknown>;
  /** Canonical name of an `own` field → where it is in the file, as it is spelled there. */
  readonly spelled: Map<string, string>;
  /** Spec path → the field of the file, as it is written there, that it came from. */
  readonly origins: Map<string, string>;
}

/** Collects what is to be said about a file while it is read. */
export interface Remarks {
  readonly issues: ErrorIssue[];
  readonly notes: string[];
}

/**
 * Reads `value` by `fields`, at `path` of the file. Mistakes go to `remarks`, each with the field and what is allowed; an
 * unknown field is a mistake, because a silently dropped one is found in production.
 */
export function readFields(
  value: Record<string, unknown>,
  fields: Fields,
  { path, target = '', remarks }: { path: string; target?: string; remarks: Remarks },
): FieldsRead {
  const byName = new Map<string, [string, Field]>();
  for (const [name, field] of Object.entries(fields)) {
    for (const spelling of spellings(name, field)) byName.set(spelling, [name, field]);
  }
  const read: FieldsRead = { spec: {}, own: new Map(), spelled: new Map(), origins: new Map() };
  const seen = new Map<string, string>();
  for (const [key, raw] of Object.entries(value)) {
    const at = `${path}.${key}`;
    const known = byName.get(key);
    if (raw === undefined || raw === null) continue;
    if (known === undefined) {
      const nearest = nearestName(key, byName.keys());
      remarks.issues.push({
        path: at,
        reason: `is not a known field${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
      });
      continue;
    }
    const [name, field] = known;
    const twin = seen.get(name);
    if (twin !== undefined) {
      remarks.issues.push({ path: at, reason: `is another spelling of ${twin}, which is given too; keep one of them` });
      continue;
    }
    seen.set(name, key);
    readField(name, field, raw, at);
  }
  return read;

  function readField(name: string, field: Field, raw: unknown, at: string): void {
    switch (field.kind) {
      case 'set': {
        const result = field.read(raw);
        if (result instanceof Refusal) {
          remarks.issues.push({ path: at, reason: result.reason, allowed: result.allowed });
          return;
        }
        setPath(read.spec, field.to, result);
        read.origins.set(joinPath(target, field.to), at);
        return;
      }
      case 'group': {
        if (!isObject(raw)) {
          remarks.issues.push({ path: at, reason: `${show(raw)} is not an object`, allowed: keysOf(field.fields) });
          return;
        }
        const inner = readFields(raw, field.fields, { path: at, target: joinPath(target, field.to), remarks });
        mergePath(read.spec, field.to, inner.spec);
        for (const [to, from] of inner.origins) read.origins.set(to, from);
        return;
      }
      case 'own':
        read.own.set(name, raw);
        read.spelled.set(name, at);
        read.origins.set(joinPath(target, field.to), at);
        return;
      case 'ignored':
        if (field.quietWhen?.(raw) !== true) remarks.notes.push(`${at} has no effect: ${field.why}`);
        return;
      case 'refused':
        remarks.issues.push({ path: at, reason: `is not supported: ${field.why}` });
        return;
    }
  }
}

export function keysOf(fields: Fields): string {
  return `an object of ${Object.keys(fields).join(', ')}`;
}

function joinPath(base: string, path: string): string {
  return base === '' ? path : `${base}.${path}`;
}

/** Sets `a.b.c` in nested objects, which are made as needed. */
export function setPath(target: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop()!;
  let object = target;
  for (const key of keys) {
    object[key] ??= {};
    object = object[key] as Record<string, unknown>;
  }
  object[last] = value;
}

function mergePath(target: Record<string, unknown>, path: string, value: Record<string, unknown>): void {
  const present = target[path];
  target[path] = isObject(present) ? { ...present, ...value } : value;
}
