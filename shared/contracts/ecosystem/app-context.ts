import type { Remarks } from './read-fields.ts';

export interface AppContext {
  /** Where the app is in its file, `apps[0]`. */
  readonly path: string;
  /** Directory of the file: what is packed, and what relative paths are relative to. */
  readonly directory: string;
  readonly env: string | undefined;
  readonly remarks: Remarks;
}
