import { healthCheckFields, healthFields } from './drover-fields.ts';
import { OwnReader } from './own-reader.ts';
import { keysOf, type Remarks, readFields } from './read-fields.ts';
import { isObject, readBoolean, readInteger, readText, show } from './read-value.ts';

const defaultPath = '/health';

/** `health` in our form, or `health_check` as guides for PM2 write it; undefined when neither is given or it is off. */
export function readHealth(reader: OwnReader, remarks: Remarks): Record<string, unknown> | undefined {
  if (reader.has('health')) return readOwn(reader.raw('health'), reader.at('health'), remarks);
  if (!reader.has('health_check')) return undefined;
  const at = reader.at('health_check');
  const raw = reader.raw('health_check');
  if (raw === false) return undefined;
  if (!isObject(raw)) {
    remarks.issues.push({ path: at, reason: `${show(raw)} is not an object`, allowed: keysOf(healthCheckFields) });
    return undefined;
  }
  const fields = readFields(raw, healthCheckFields, { path: at, remarks });
  const inner = new OwnReader(fields, remarks, at);
  if (inner.read('enable', readBoolean) === false) return undefined;
  const path = inner.read('path', readText) ?? defaultPath;
  remarks.notes.push(`${at} is read as health: { path: '${path}' }; PM2 itself ignores it`);
  return { ...fields.spec, probe: { type: 'http', path } };
}

function readOwn(raw: unknown, at: string, remarks: Remarks): Record<string, unknown> | undefined {
  if (raw === false) return undefined;
  if (typeof raw === 'string') return { probe: { type: 'http', path: raw } };
  if (!isObject(raw)) {
    remarks.issues.push({
      path: at,
      reason: `${show(raw)} is not a probe`,
      allowed: `a path, false, or ${keysOf(healthFields)}`,
    });
    return undefined;
  }
  const fields = readFields(raw, healthFields, { path: at, remarks });
  const inner = new OwnReader(fields, remarks, at);
  const tcp = inner.read('tcp', readBoolean) === true;
  const path = inner.read('path', readText);
  const status = inner.read('status', readInteger);
  if (tcp && (path !== undefined || status !== undefined)) {
    remarks.issues.push({
      path: inner.at('tcp'),
      reason: 'a TCP probe has neither path nor status; keep one kind of probe',
    });
    return undefined;
  }
  const http = { type: 'http', path: path ?? defaultPath, ...(status === undefined ? {} : { status }) };
  return { ...fields.spec, probe: tcp ? { type: 'tcp' } : http };
}
