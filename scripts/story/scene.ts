import type { LocalCluster } from '../cluster/local-cluster.ts';
import type { MixedLoad } from '../load/mixed-load.ts';

/** One promise and what was measured of it. */
export interface Check {
  readonly promise: string;
  readonly measured: string;
  readonly kept: boolean;
}

export interface SceneResult {
  readonly name: string;
  readonly seconds: number;
  /** Requests during the scene, and those that failed. */
  readonly requests: number;
  readonly failed: number;
  readonly checks: readonly Check[];
}

/** What a scene plays on. The demo and the end-to-end tests play the same scenes. */
export interface Stage {
  readonly cluster: LocalCluster;
  readonly load: MixedLoad;
  /** Where versions of the example service are written. */
  readonly workshop: string;
  /** URL of the example through the router. */
  readonly url: string;
  readonly tell: (line: string) => void;
}

export type Scene = (stage: Stage, check: (promise: string, kept: boolean, measured: string) => void) => Promise<void>;

/** Plays a scene under the running load and counts what the clients saw meanwhile. A scene that throws is a broken promise. */
export async function play(name: string, stage: Stage, scene: Scene): Promise<SceneResult> {
  const checks: Check[] = [];
  const startedMs = performance.now();
  const before = { requests: stage.load.requests(), failed: stage.load.failed() };
  try {
    await scene(stage, (promise, kept, measured) => checks.push({ promise, kept, measured }));
  } catch (error) {
    checks.push({ promise: 'the scene plays to its end', kept: false, measured: (error as Error).message });
  }
  return {
    name,
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    requests: stage.load.requests() - before.requests,
    failed: stage.load.failed() - before.failed,
    checks,
  };
}
