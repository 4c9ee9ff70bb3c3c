import type { ErrorIssue } from '../drover-error.ts';
import type { AppContext } from './app-context.ts';
import { isObject, show } from './read-value.ts';

/** Names that Drover sets for each instance; a value in the file could not be kept. */
const ownedNames = new Set([
  'HOST',
  'DROVER_SERVICE',
  'DROVER_REVISION',
  'DROVER_SLOT',
  'DROVER_INSTANCE_ID',
  'DROVER_NODE',
]);

/**
 * Takes `env` and all `env_<name>` out of an app and lays the chosen one over `env`. Values are made texts, as PM2
 * makes them; null takes a variable away.
 */
export function readEnv(
  app: Record<string, unknown>,
  context: AppContext,
): { env: Record<string, string>; rest: Record<string, unknown> } {
  const { path, env: chosen, remarks } = context;
  const layers = new Map<string, unknown>();
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(app)) {
    if (value !== undefined && (key === 'env' || /^env_\S+$/.test(key))) layers.set(key, value);
    else rest[key] = value;
  }
  const env = new Map<string, string>();
  for (const [key, layer] of layers) {
    const applies = key === 'env' || key === `env_${chosen}`;
    const values = readLayer(layer, `${path}.${key}`, context);
    if (!applies) continue;
    for (const [name, value] of values) {
      if (value === undefined) env.delete(name);
      else env.set(name, value);
    }
  }
  if (chosen !== undefined && layers.size > 0 && !layers.has(`env_${chosen}`)) {
    remarks.notes.push(`${path} has no env_${chosen}: only its env applies`);
  }
  for (const name of ownedNames) {
    if (env.delete(name)) remarks.notes.push(`${path}.env.${name} has no effect: Drover sets it for each instance`);
  }
  return { env: Object.fromEntries(env), rest };
}

function readLayer(layer: unknown, path: string, { remarks }: AppContext): Map<string, string | undefined> {
  const values = new Map<string, string | undefined>();
  if (!isObject(layer)) {
    if (layer !== null) remarks.issues.push(notNamesAndValues(layer, path));
    return values;
  }
  for (const [name, value] of Object.entries(layer)) {
    if (value === null || value === undefined) values.set(name, undefined);
    else if (['string', 'number', 'boolean', 'bigint'].includes(typeof value)) values.set(name, String(value));
    else {
      remarks.issues.push({
        path: `${path}.${name}`,
        reason: `${show(value)} cannot be an environment variable`,
        allowed: 'a text, number or boolean (for more, a text made with JSON.stringify)',
      });
    }
  }
  return values;
}

/** What looks like the name of a file would silently be the environment "file" without any variable. */
function notNamesAndValues(layer: unknown, path: string): ErrorIssue {
  const isFile = path.endsWith('.env_file') && typeof layer === 'string';
  return {
    path,
    reason: isFile ? `${show(layer)} is not read: there is no such field` : `${show(layer)} is not an object`,
    allowed: isFile
      ? `env: util.parseEnv(fs.readFileSync(${show(layer)}, 'utf8')), which is read where the deploy is made`
      : 'names and values',
  };
}
