/** Commands under way at a time when much is told at once. */
export const batchSize = 200;

/** Runs each of `items`, a batch at a time. Rejects as the first that does. */
export async function inBatches<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += batchSize) {
    await Promise.all(items.slice(start, start + batchSize).map(run));
  }
}
