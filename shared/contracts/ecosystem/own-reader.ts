import type { FieldsRead, Remarks } from './read-fields.ts';
import { Refusal } from './read-value.ts';

/** Takes `own` fields by their canonical names; mistakes are reported under the name that the file uses. */
export class OwnReader {
  readonly #fields: FieldsRead;
  readonly #remarks: Remarks;
  readonly #path: string;

  constructor(fields: FieldsRead, remarks: Remarks, path: string) {
    this.#fields = fields;
    this.#remarks = remarks;
    this.#path = path;
  }

  has(name: string): boolean {
    return this.#fields.own.has(name);
  }

  raw(name: string): unknown {
    return this.#fields.own.get(name);
  }

  at(name: string): string {
    return this.#fields.spelled.get(name) ?? `${this.#path}.${name}`;
  }

  read<T>(name: string, reader: (value: unknown) => T | Refusal): T | undefined {
    if (!this.has(name)) return undefined;
    const result = reader(this.raw(name));
    if (!(result instanceof Refusal)) return result;
    this.#remarks.issues.push({ path: this.at(name), reason: result.reason, allowed: result.allowed });
    return undefined;
  }
}
