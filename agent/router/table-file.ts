import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RouterTable } from './protocol.ts';

/** Where the last table is kept, so that a router can serve after a restart when nobody is there to send one. */
export function tableFile(stateDirectory: string): string {
  return join(stateDirectory, 'table.json');
}

/** Replaces the file atomically: after a crash it holds the old table or the new one. Calls must not overlap. */
export async function saveTable(stateDirectory: string, table: RouterTable): Promise<void> {
  const path = tableFile(stateDirectory);
  await writeFile(`${path}.new`, JSON.stringify(table), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** The table that was saved last; null when there is none, or when it cannot be read as one. */
export function loadTable(stateDirectory: string): RouterTable | null {
  try {
    const table: unknown = JSON.parse(readFileSync(tableFile(stateDirectory), 'utf8'));
    return isRouterTable(table) ? table : null;
  } catch {
    return null;
  }
}

/** Whether a value has the shape of a table, as deep as the router relies on it. */
export function isRouterTable(value: unknown): value is RouterTable {
  if (!isRecord(value) || !Number.isSafeInteger(value.epoch) || typeof value.generation !== 'string') return false;
  const { services } = value;
  return Array.isArray(services) && services.every(isService);
}

function isService(value: unknown): boolean {
  if (!isRecord(value) || typeof value.name !== 'string') return false;
  const { routes, endpoints } = value;
  return Array.isArray(routes) && routes.every(isRoute) && Array.isArray(endpoints) && endpoints.every(isEndpoint);
}

function isRoute(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { port, host, path } = value;
  return (
    (port === undefined || isPort(port)) &&
    (host === undefined || typeof host === 'string') &&
    (path === undefined || (typeof path === 'string' && path.startsWith('/')))
  );
}

function isEndpoint(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value.instanceId === 'string' &&
    typeof value.address === 'string' &&
    isPort(value.port) &&
    typeof value.weight === 'number' &&
    value.weight >= 0
  );
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
