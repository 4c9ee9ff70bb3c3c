import type { PlanServiceResult } from '../../shared/contracts/operations.ts';
import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import { compareText } from './draft.ts';

type Change = PlanServiceResult['changes'][number];
interface Version {
  readonly spec: ServiceSpec;
  readonly artifact: string | null;
}

/** Values of the environment are never shown: any of them may be a secret. */
const MASK = '(hidden)';

/** What differs between two versions of a service, by path, with what each difference leads to. Null is "is new". */
export function diffSpecs(before: Version | null, after: Version): Change[] {
  const old = before === null ? new Map<string, string>() : flatten(before);
  const now = flatten(after);
  if (before === null) return [];
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort(compareText);
  return paths.flatMap((path) => {
    const [was, is] = [old.get(path) ?? null, now.get(path) ?? null];
    if (was === is) return [];
    const hidden = path.startsWith('env.');
    const show = (value: string | null): string | null => (hidden && value !== null ? MASK : value);
    return [{ path, before: show(was), after: show(is), consequence: consequenceOf(path) }];
  });
}

function consequenceOf(path: string): string {
  return path.startsWith('scale.') ? 'changes only the count' : 'replaces every instance';
}

function flatten({ spec, artifact }: Version): Map<string, string> {
  const values = new Map<string, string>();
  if (artifact !== null) values.set('artifact', artifact);
  walk('', spec, values);
  return values;
}

function walk(path: string, value: unknown, into: Map<string, string>): void {
  if (value === undefined) return;
  if (typeof value !== 'object' || value === null) {
    into.set(path, typeof value === 'string' ? value : JSON.stringify(value));
  } else if (Array.isArray(value)) {
    if (value.length > 0) into.set(path, JSON.stringify(value));
  } else {
    for (const [key, inner] of Object.entries(value)) walk(path === '' ? key : `${path}.${key}`, inner, into);
  }
}
