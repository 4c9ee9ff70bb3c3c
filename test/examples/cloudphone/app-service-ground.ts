import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../architecture/source-tree.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { ownPort } from '../../support/own-port.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { type Ground, openGround } from './open-ground.ts';

export const kinds = ['dir', 's3'] as const;
export type Kind = (typeof kinds)[number];

export const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

/** Small, so that a test has many parts of few bytes. */
export const smallParts = { MIN_PART_BYTES: '1000' };

export interface AppGround extends Ground {
  /** Of the store, the database and small parts. */
  readonly environment: Readonly<Record<string, string>>;
  /** Starts instances, each as on a host of its own. */
  start(count: number, environment?: Readonly<Record<string, string>>): Promise<Awaited<ReturnType<Ground['run']>>[]>;
  /** Names of what the store has of an app, also what nobody is meant to see yet. */
  stored(id: string): string[];
  /** Where those are. */
  directoryOf(id: string): string;
  readonly s3: ChildProcess | undefined;
}

/** Two hosts, a database that both reach, and a store of that kind. */
export async function openAppGround(t: Lifetime, kind: Kind, databaseUrl?: string): Promise<AppGround> {
  const ground = await openGround(t);
  const directory = tempDirectory(t);
  const s3 = kind === 's3' ? await startS3(t, directory) : undefined;
  const environment = {
    ...smallParts,
    DATABASE_URL: databaseUrl ?? `sqlite:${join(directory, 'data', 'apps.db')}`,
    STORE: s3?.store ?? `dir:${directory}`,
    AWS_ACCESS_KEY_ID: 'S3RVER',
    AWS_SECRET_ACCESS_KEY: 'S3RVER',
  };
  const folder = s3 === undefined ? directory : join(directory, 'apps', 'cloudphone');
  return {
    ...ground,
    environment,
    s3: s3?.child,
    directoryOf: (id) => join(folder, id),
    start: (count, more = {}) =>
      Promise.all(
        Array.from({ length: count }, (_, at) => ground.run('app-service', `host-${at}`, { ...environment, ...more })),
      ),
    stored(id) {
      const names = existsSync(join(folder, id)) ? readdirSync(join(folder, id)) : [];
      // s3rver keeps three files for each object; this one says that it is there.
      return names.flatMap((name) =>
        kind === 'dir' ? [name] : (/^(.*)\._S3rver_object$/.exec(name)?.slice(1, 2) ?? []),
      );
    },
  };
}

export async function startS3(t: Lifetime, directory: string) {
  const port = await ownPort();
  const program = join(root, 'node_modules/s3rver/bin/s3rver.js');
  const args = ['-d', directory, '-a', '127.0.0.1', '-p', String(port), '--silent', '--configure-bucket', 'apps'];
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env.PATH, DROVER_TEST_RUN: process.env.DROVER_TEST_RUN },
    stdio: 'ignore',
  });
  t.after(() => void child.kill('SIGKILL'));
  const endpoint = `http://127.0.0.1:${port}`;
  await eventually(async () => void (await fetch(endpoint)), { timeoutMs: 15_000 });
  return { child, store: `s3://apps/cloudphone?endpoint=${endpoint}` };
}

export interface Content {
  readonly bytes: Buffer;
  readonly parts: readonly Buffer[];
  readonly announcement: { name: string; sizeBytes: number; sha256: string; partBytes: number };
}

/** Random content of so many parts, of which the last one is smaller. */
export function makeContent(parts: number, partBytes = 5_000): Content {
  const bytes = randomBytes(partBytes * parts - Math.floor(partBytes / 3));
  const announcement = { name: 'game.apk', sizeBytes: bytes.length, sha256: sha256(bytes), partBytes };
  const cut = Array.from({ length: parts }, (_, at) => bytes.subarray(at * partBytes, (at + 1) * partBytes));
  return { bytes, parts: cut, announcement };
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export async function ask(
  url: string,
  method = 'GET',
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isJson = body !== undefined && !Buffer.isBuffer(body);
  const sent = Buffer.isBuffer(body) ? new Uint8Array(body) : isJson ? JSON.stringify(body) : null;
  const type: Record<string, string> = isJson ? { 'content-type': 'application/json' } : {};
  const response = await fetch(url, { method, body: sent, headers: { ...type, ...headers } });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

export async function announce(url: string, content: Content): Promise<string> {
  const { status, body } = await ask(`${url}/uploads`, 'POST', content.announcement);
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(body.parts, content.parts.length);
  return String(body.id);
}

export function sendPart(url: string, id: string, content: Content, number: number, headers?: Record<string, string>) {
  return ask(`${url}/uploads/${id}/parts/${number}`, 'PUT', content.parts[number - 1], headers);
}

export async function download(url: string, id: string): Promise<Buffer> {
  const response = await fetch(`${url}/apps/${id}/content`);
  assert.equal(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}
