import { DroverError, type ErrorIssue } from './drover-error.ts';
import { nearestName } from './ecosystem/nearest-name.ts';
import { readApp } from './ecosystem/read-app.ts';
import type { Remarks } from './ecosystem/read-fields.ts';
import { isObject, show } from './ecosystem/read-value.ts';
import { describeIssues } from './issues.ts';
import type { ServiceSpec } from './spec.ts';

export interface EcosystemOptions {
  /** Absolute path of the file, for messages and for paths that are relative to its directory. */
  readonly file: string;
  /** Lays `env_<name>` over `env` in each app that has it. */
  readonly env?: string;
  /** Names of the services wanted; the others are left out, once they too have been checked. */
  readonly only?: readonly string[];
}

export interface Ecosystem {
  /** In the order of the file. */
  readonly services: readonly EcosystemService[];
  /** What has no effect or another effect than under PM2, a sentence each. */
  readonly notes: readonly string[];
}

export interface EcosystemService {
  readonly spec: ServiceSpec;
  /** Where it is in the file, `apps[0]`. */
  readonly path: string;
}

/**
 * Reads what an ecosystem file holds: PM2's fields in all their spellings and value forms, and Drover's own.
 * @throws DroverError FILE_INVALID with every mistake of the file: field, reason, and what is allowed.
 */
export function parseEcosystem(value: unknown, { file, env, only }: EcosystemOptions): Ecosystem {
  const remarks: Remarks = { issues: [], notes: [] };
  const directory = file.slice(0, Math.max(file.lastIndexOf('/'), 0)) || '/';
  const services: EcosystemService[] = [];
  const apps = findApps(value, remarks);
  for (const { app, path } of apps) {
    const appRemarks: Remarks = { issues: [], notes: [] };
    const spec = isObject(app)
      ? readApp(app, { path, directory, env, remarks: appRemarks })
      : void appRemarks.issues.push({ path, reason: `${show(app)} is not an object`, allowed: 'the fields of an app' });
    remarks.issues.push(...appRemarks.issues);
    const wanted = only === undefined || (spec !== undefined && only.includes(spec.name));
    if (wanted) remarks.notes.push(...appRemarks.notes);
    if (spec === undefined) continue;
    const twin = services.find((other) => other.spec.name === spec.name);
    if (twin !== undefined) {
      remarks.issues.push({ path: `${path}.name`, reason: `"${spec.name}" is the name of ${twin.path} too` });
    }
    services.push({ spec, path });
  }
  if (remarks.issues.length === 0) checkChoices(apps, services, { env, only }, remarks.issues);
  if (remarks.issues.length > 0) {
    throw new DroverError('FILE_INVALID', `${file} is not a valid ecosystem file: ${describeIssues(remarks.issues)}`, {
      issues: remarks.issues,
      details: { file },
    });
  }
  return { services: services.filter(({ spec }) => only?.includes(spec.name) ?? true), notes: remarks.notes };
}

/** `{ apps }`, `{ pm2 }`, an array of apps, or one app alone. */
function findApps(value: unknown, remarks: Remarks): { app: unknown; path: string }[] {
  if (Array.isArray(value)) return value.map((app, index) => ({ app, path: `[${index}]` }));
  if (!isObject(value)) {
    remarks.issues.push({ path: 'apps', reason: `the file holds ${show(value)}`, allowed: 'an object with apps' });
    return [];
  }
  const key = ['apps', 'pm2'].find((name) => value[name] !== undefined);
  if (key === undefined) {
    const nearest = Object.keys(value).find((name) => nearestName(name, ['apps']) !== undefined);
    if (nearest !== undefined && value.script === undefined) {
      remarks.issues.push({ path: nearest, reason: 'is not a known field; did you mean apps?' });
      return [];
    }
    return [{ app: value, path: 'app' }];
  }
  for (const other of Object.keys(value)) {
    if (other === key) continue;
    if (other === 'deploy') remarks.notes.push('deploy has no effect: hosts join with drover agent join');
    else if (other === 'static') {
      remarks.issues.push({ path: 'static', reason: "is not supported: PM2's static server is not part of Drover" });
    } else remarks.issues.push({ path: other, reason: 'is not a known field', allowed: 'apps, deploy' });
  }
  const apps = value[key];
  const list = Array.isArray(apps) ? apps : [apps];
  if (list.length === 0) remarks.issues.push({ path: key, reason: 'is empty', allowed: 'at least one app' });
  return list.map((app, index) => ({ app, path: Array.isArray(apps) ? `${key}[${index}]` : key }));
}

/** A mistyped --env or --only must not deploy the wrong thing, or nothing, with success. */
function checkChoices(
  apps: readonly { app: unknown }[],
  services: readonly EcosystemService[],
  { env, only }: { env: string | undefined; only: readonly string[] | undefined },
  issues: ErrorIssue[],
): void {
  if (env !== undefined) {
    const known = new Set(
      apps.flatMap(({ app }) => Object.keys(app as object).flatMap((key) => /^env_(\S+)$/.exec(key)?.[1] ?? [])),
    );
    if (!known.has(env)) {
      issues.push({
        path: `env_${env}`,
        reason: `no app has it, but --env ${env} asks for it`,
        allowed: [...known].map((name) => `--env ${name}`).join(', ') || 'no --env: no app has an env_<name>',
      });
    }
  }
  const names = services.map(({ spec }) => spec.name);
  for (const name of only ?? []) {
    if (!names.includes(name))
      issues.push({ path: '--only', reason: `no app is named "${name}"`, allowed: names.join(', ') });
  }
}
