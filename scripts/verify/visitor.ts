import type { MakeClaim } from './verification.ts';

/** A client that is at work until it is stopped, and remembers what it was told. */
export interface Visitor {
  /** One round of its work. */
  act(): Promise<void>;
  readonly pauseMs: number;
  /** Compares what it was told with what the platform says now. */
  audit(claim: MakeClaim): Promise<void>;
  close?(): void;
}
