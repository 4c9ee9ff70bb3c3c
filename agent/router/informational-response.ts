import type { ServerResponse } from 'node:http';
import type { ResponseHead } from './response-head.ts';

/** Passes a 102 or 103 on; a 100 belongs to the body of the request, and others have no meaning that a client could use. */
export function passInformation(response: ServerResponse, head: ResponseHead): void {
  if (head.status === 102) response.writeProcessing();
  if (head.status !== 103) return;
  const hints: Record<string, string[]> = {};
  for (const [name, value] of fieldPairs(head.headers)) {
    const key = name.toLowerCase();
    hints[key] = [...(hints[key] ?? []), value];
  }
  if (hints.link !== undefined) response.writeEarlyHints(hints);
}

/** A flat list of fields as pairs of name and value. */
export function fieldPairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) list.push([flat[i]!, flat[i + 1]!]);
  return list;
}
