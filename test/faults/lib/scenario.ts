import type { Lifetime } from '../../support/lifetime.ts';

export interface ScenarioOptions {
  /** The full size instead of the bounded one. */
  readonly isLong: boolean;
  readonly seed: number;
  /** One line for a person. */
  readonly progress: (line: string) => void;
  /** Where what a scenario starts leaves its end. */
  readonly lifetime: Lifetime;
}

export interface ScenarioResult {
  /** What was counted and measured, for the JSON file. */
  readonly figures: Record<string, number | string>;
  /** Promises that were broken; empty is a pass. */
  readonly violations: readonly string[];
  /** Why it did not run, or which part of it: said loudly, but no failure. */
  readonly skipped?: string;
}

export interface Scenario {
  readonly name: string;
  /** What it shows, as a sentence. */
  readonly shows: string;
  run(options: ScenarioOptions): Promise<ScenarioResult>;
}
