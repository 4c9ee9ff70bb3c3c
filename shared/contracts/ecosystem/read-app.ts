import { toIssues } from '../issues.ts';
import { type ServiceSpec, serviceSpecSchema } from '../spec.ts';
import type { AppContext } from './app-context.ts';
import { droverFields } from './drover-fields.ts';
import { OwnReader } from './own-reader.ts';
import { pm2Fields, readExecMode } from './pm2-fields.ts';
import { readEnv } from './read-env.ts';
import { type FieldsRead, type Remarks, readFields, setPath } from './read-fields.ts';
import { readHealth } from './read-health.ts';
import { readJobs } from './read-jobs.ts';
import { readRoutes } from './read-routes.ts';
import { Refusal, readBoolean, readInteger, readText, show } from './read-value.ts';

/** One app of an ecosystem file, in PM2's names and ours. */
export const appFields = { ...pm2Fields, ...droverFields };

/** Turns one app into a spec; undefined when it has mistakes, which are then among the remarks. */
export function readApp(app: Record<string, unknown>, context: AppContext): ServiceSpec | undefined {
  const { remarks, path } = context;
  const mistakes = remarks.issues.length;
  const { env, rest } = readEnv(app, context);
  const fields = readFields(rest, appFields, { path, remarks });
  const reader = new OwnReader(fields, remarks, path);
  const { spec } = fields;

  readScript(reader, spec, remarks, path);
  const name = readName(reader, spec, context);
  if (name !== undefined) spec.name = name;
  const cwd = reader.read('cwd', readText);
  if (cwd !== undefined) spec.cwd = relativeTo(context.directory, cwd);
  const interpreter = reader.read('interpreter', readInterpreter);
  if (interpreter !== undefined) spec.interpreter = interpreter;
  readScale(reader, spec, remarks);
  if (reader.read('source_map_support', readBoolean) === true) {
    spec.nodeArgs = [...((spec.nodeArgs as string[] | undefined) ?? []), '--enable-source-maps'];
  }
  if (reader.has('log_date_format')) {
    setPath(spec, 'logs.time', true);
    remarks.notes.push(`${reader.at('log_date_format')}: lines are stamped with ISO 8601 instants in UTC`);
  }
  const routes = readRoutes(reader, env, context);
  spec.routes = routes;
  const health = readHealth(reader, remarks);
  if (health !== undefined) spec.health = health;
  const jobs = readJobs(reader, remarks);
  if (jobs !== undefined) spec.jobs = jobs;
  spec.env = env;
  // What has a route or a probe is of no use before it listens.
  spec.expectListen ??= routes.length > 0 || health?.probe !== undefined;

  const checked = serviceSpecSchema.safeParse(spec);
  if (!checked.success) {
    for (const issue of toIssues(checked.error)) {
      // The name comes from the script, whose own problem has been told.
      if (issue.path === 'name' && spec.name === undefined) continue;
      const at = originOf(fields, issue.path) ?? `${path}.${issue.path}`;
      // What is missing because its own reading failed has been said already.
      if (!remarks.issues.some((known) => at.startsWith(known.path))) remarks.issues.push({ ...issue, path: at });
    }
  }
  return remarks.issues.length === mistakes ? checked.data : undefined;
}

function readScript(reader: OwnReader, spec: Record<string, unknown>, remarks: Remarks, path: string): void {
  if (!reader.has('script')) {
    remarks.issues.push({
      path: `${path}.script`,
      reason: 'is required',
      allowed: 'a path below the directory of the file, or a command on the PATH of the nodes',
    });
    return;
  }
  const script = reader.read('script', readText);
  if (script === undefined) return;
  if (script === 'serve') {
    const reason = "PM2's built-in static server is not part of Drover; name a server program of your own";
    remarks.issues.push({ path: reader.at('script'), reason });
    return;
  }
  if (!/\s/.test(script.trim())) {
    spec.script = script.trim();
    return;
  }
  spec.script = 'bash';
  spec.interpreter = 'none';
  const args = (spec.args as string[] | undefined) ?? [];
  spec.args = ['-c', args.length === 0 ? script : `${script} "$@"`, ...(args.length === 0 ? [] : ['bash', ...args])];
  remarks.notes.push(`${reader.at('script')} is a shell line: it runs as bash -c`);
}

function readName(reader: OwnReader, spec: Record<string, unknown>, { env, remarks }: AppContext): string | undefined {
  const given = reader.read('name', readText);
  const script = typeof spec.script === 'string' ? spec.script : undefined;
  const name = given ?? (script === undefined ? undefined : baseName(script));
  if (name === undefined) return undefined;
  const prefix = reader.read('name_prefix', readText);
  if (prefix !== undefined) remarks.notes.push(`${reader.at('name_prefix')}: the service is named ${prefix}-${name}`);
  const suffix = reader.read('append_env_to_name', readBoolean) === true && env !== undefined ? `-${env}` : '';
  return `${prefix === undefined ? '' : `${prefix}-`}${name}${suffix}`;
}

function readInterpreter(value: unknown): string | Refusal {
  const text = readText(value);
  if (typeof text === 'string' && text.startsWith('node@')) {
    return new Refusal(
      `${show(value)} needs nvm on each node`,
      '"node", "none", a command, or an absolute path on the nodes',
    );
  }
  return text;
}

function readScale(reader: OwnReader, spec: Record<string, unknown>, remarks: Remarks): void {
  const mode = reader.read('exec_mode', readExecMode);
  const forced = reader.read('execute_command', readBoolean);
  if (mode !== undefined || forced === true) {
    spec.execMode = forced !== true && mode?.startsWith('cluster') === true ? 'cluster' : 'fork';
  }
  const instances = reader.read('instances', (value) => (value === 'max' ? 'max' : readInteger(value)));
  if (instances !== undefined) {
    if (typeof instances === 'number' && instances < 0) {
      remarks.notes.push(
        `${reader.at('instances')}: ${instances} is taken as "max", one per core of every eligible node; to leave cores free give a count, or placement.max_per_node`,
      );
    }
    setPath(spec, 'scale.instances', typeof instances === 'number' && instances > 0 ? instances : 'max');
    if (mode === undefined && forced !== true) {
      remarks.notes.push(
        `${reader.at('instances')} without exec_mode: each instance is a process of its own with its own PORT (PM2 would use cluster mode; write exec_mode: 'cluster' for that)`,
      );
    }
  }
  const hosts = reader.read('hosts', (value) => (value === 'all' ? 'all' : readInteger(value)));
  if (hosts !== undefined) setPath(spec, 'scale.hosts', hosts);
}

/** The field of the file that a problem with `specPath` came from: the longest origin that covers it. */
function originOf({ origins }: FieldsRead, specPath: string): string | undefined {
  const covering = [...origins.keys()]
    .filter((to) => specPath === to || specPath.startsWith(`${to}.`) || specPath.startsWith(`${to}[`))
    .sort((a, b) => b.length - a.length)[0];
  return covering === undefined ? undefined : `${origins.get(covering)}${specPath.slice(covering.length)}`;
}

function baseName(script: string): string {
  const base = script.split('/').at(-1)!;
  return base.replace(/\.[^.]+$/, '') || base;
}

/** Absolute paths below the packed directory become relative to it, so that they mean the same on every node. */
function relativeTo(directory: string, path: string): string {
  if (path === directory || path === `${directory}/`) return '.';
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;
}
