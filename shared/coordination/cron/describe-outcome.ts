/** What a history of a hundred runs may hold of each; more belongs where the job writes. */
const maxResultBytes = 4096;
const maxErrorLength = 1000;

/** The result as JSON of at most 4 KiB, or empty; what is longer is replaced by its size. */
export function describeResult(result: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(result);
  } catch {
    return '';
  }
  if (json === undefined) return '';
  const bytes = Buffer.byteLength(json);
  return bytes <= maxResultBytes ? json : JSON.stringify({ tooLong: true, bytes });
}

/** The error's message as a JSON string. */
export function describeError(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return JSON.stringify(text.slice(0, maxErrorLength));
}
