/** What bench/<name>/index.ts exports. */
export type Benchmark = {
  /**
   * Measures once. With `quick` it takes less than 20 s and proves only that the benchmark works.
   * Progress and tables of its own go to stderr, because stdout may be JSON.
   */
  run: (options: { quick: boolean }) => Promise<BenchmarkResult>;
};

/** Figures by name, with the unit last in the name: `p99Ms`, `requestsPerSecond`, `routerToHaproxyRatio`. */
export type BenchmarkResult = { name: string; figures: Record<string, number> };
