import { toIssues } from '../issues.ts';
import { jobNameSchema, jobSpecSchema } from '../job.ts';
import { httpRunFields, jobFields, processRunFields } from './drover-fields.ts';
import type { Fields } from './field.ts';
import { OwnReader } from './own-reader.ts';
import { type FieldsRead, keysOf, type Remarks, readFields } from './read-fields.ts';
import { isObject, type Reader, Refusal, readDuration, show } from './read-value.ts';

/** `jobs` of an app: an object of jobs by name. Each job is checked whole, so that a mistake is told where it is written. */
export function readJobs(reader: OwnReader, remarks: Remarks): Record<string, unknown> | undefined {
  if (!reader.has('jobs')) return undefined;
  const raw = reader.raw('jobs');
  const at = reader.at('jobs');
  if (!isObject(raw)) {
    remarks.issues.push({
      path: at,
      reason: `${show(raw)} is not an object`,
      allowed: `names of jobs, each with ${keysOf(jobFields)}`,
    });
    return undefined;
  }
  const jobs: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(raw)) {
    if (value === undefined || value === null) continue;
    const job = readJob(name, value, `${at}.${name}`, remarks);
    if (job !== undefined) jobs[name] = job;
  }
  return jobs;
}

function readJob(name: string, value: unknown, at: string, remarks: Remarks): unknown {
  const named = jobNameSchema.safeParse(name);
  if (!named.success) {
    remarks.issues.push({ path: at, reason: `the name ${named.error.issues[0]?.message ?? 'is not allowed'}` });
    return undefined;
  }
  if (!isObject(value)) {
    remarks.issues.push({ path: at, reason: `${show(value)} is not a job`, allowed: keysOf(jobFields) });
    return undefined;
  }
  const mistakes = remarks.issues.length;
  const fields = readFields(value, jobFields, { path: at, remarks });
  const inner = new OwnReader(fields, remarks, at);
  const catchUp = inner.read('catch_up', readCatchUp);
  const run = readRun(inner, remarks);
  if (remarks.issues.length > mistakes) return undefined;
  const job = { ...fields.spec, ...(catchUp === undefined ? {} : { catchUp }), ...(run === undefined ? {} : { run }) };
  const checked = jobSpecSchema.safeParse(job);
  if (checked.success) return checked.data;
  const isHttp = isObject(run) && run.type === 'http';
  for (const issue of toIssues(checked.error)) {
    remarks.issues.push({ ...issue, path: `${at}.${writtenAs(fields, issue.path, isHttp)}` });
  }
  return undefined;
}

const readCatchUp: Reader<unknown> = (value) => {
  if (value === 'none' || value === 'last') return value;
  const withinMs = readDuration(value);
  if (!(withinMs instanceof Refusal)) return { withinMs };
  return new Refusal(`${show(value)} is no way to catch up`, '"none", "last", or a time such as "10m"');
};

function readRun(job: OwnReader, remarks: Remarks): unknown {
  if (!job.has('run')) return undefined;
  const raw = job.raw('run');
  const at = job.at('run');
  const allowed = `{ http: ${keysOf(httpRunFields)} }, or ${keysOf(processRunFields)}`;
  if (!isObject(raw)) {
    remarks.issues.push({ path: at, reason: `${show(raw)} is not something to run`, allowed });
    return undefined;
  }
  if (raw.http !== undefined) {
    const others = Object.keys(raw).filter((key) => key !== 'http' && raw[key] !== undefined);
    if (others.length > 0) {
      remarks.issues.push({ path: `${at}.${others[0]}`, reason: 'stands beside http; keep one kind of run', allowed });
      return undefined;
    }
    return readHttpRun(raw.http, `${at}.http`, remarks);
  }
  const { fields, inner } = readGroup(raw, processRunFields, at, remarks);
  const env = inner.read('env', readTexts);
  return { ...fields.spec, type: 'process', ...(env === undefined ? {} : { env }) };
}

function readHttpRun(value: unknown, at: string, remarks: Remarks): unknown {
  const raw = typeof value === 'string' ? { path: value } : value;
  if (!isObject(raw)) {
    remarks.issues.push({ path: at, reason: `${show(value)} is not a request`, allowed: keysOf(httpRunFields) });
    return undefined;
  }
  const { fields, inner } = readGroup(raw, httpRunFields, at, remarks);
  const headers = inner.read('headers', readTexts) ?? {};
  const body = inner.raw('body');
  const isJson = body !== undefined && typeof body !== 'string';
  const typed = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
  return {
    ...fields.spec,
    type: 'http',
    headers: isJson && !typed ? { ...headers, 'content-type': 'application/json' } : headers,
    ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : body }),
  };
}

function readGroup(
  raw: Record<string, unknown>,
  table: Fields,
  path: string,
  remarks: Remarks,
): { fields: FieldsRead; inner: OwnReader } {
  const fields = readFields(raw, table, { path, remarks });
  return { fields, inner: new OwnReader(fields, remarks, path) };
}

/** Names with texts, numbers or booleans, which become texts. */
const readTexts: Reader<Record<string, string>> = (value) => {
  if (!isObject(value)) return new Refusal(`${show(value)} is not an object`, 'names and values');
  const texts: Record<string, string> = {};
  for (const [name, item] of Object.entries(value)) {
    if (item === null || item === undefined) continue;
    if (!['string', 'number', 'boolean'].includes(typeof item)) {
      return new Refusal(`${name}: ${show(item)} is not a text`, 'texts, numbers and booleans');
    }
    texts[name] = String(item);
  }
  return texts;
};

/** The field of the file for a path of the spec: `run.path` of a request is written `run.http.path`. */
function writtenAs({ origins }: FieldsRead, specPath: string, isHttp: boolean): string {
  const [head = '', ...rest] = specPath.split('.');
  const spelled = origins.get(head)?.split('.').at(-1) ?? fileNames[head] ?? head;
  return [spelled, ...(head === 'run' && isHttp && rest.length > 0 ? ['http'] : []), ...rest].join('.');
}

const fileNames: Readonly<Record<string, string>> = {
  timeZone: 'time_zone',
  catchUp: 'catch_up',
  maxRunMs: 'max_run',
};
