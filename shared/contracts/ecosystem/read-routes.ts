import type { AppContext } from './app-context.ts';
import { routeFields } from './drover-fields.ts';
import type { OwnReader } from './own-reader.ts';
import { keysOf, type Remarks, readFields } from './read-fields.ts';
import { isObject, readInteger, show } from './read-value.ts';

const portRange = { from: 1, to: 65_535 };

/**
 * Routes of an app. Ports of instances are leased from their nodes, so a port that PM2 would give the program itself
 * (`port`, `env.PORT`, which is taken out of `env` here) becomes the port on which routers listen for the service.
 */
export function readRoutes(reader: OwnReader, env: Record<string, string>, { path, remarks }: AppContext): unknown[] {
  const routes: unknown[] = [];
  for (const name of ['route', 'routes']) {
    if (!reader.has(name)) continue;
    const raw = reader.raw(name);
    const list = Array.isArray(raw) ? raw : [raw];
    list.forEach((item, index) => {
      const at = Array.isArray(raw) ? `${reader.at(name)}[${index}]` : reader.at(name);
      const route = readRoute(item, at, remarks);
      if (route !== undefined) routes.push(route);
    });
  }
  const written = routes.length > 0;
  const port = reader.read('port', readInteger);
  if (port !== undefined && !written) {
    routes.push({ port });
    remarks.notes.push(`${reader.at('port')} became the route { port: ${port} }: each instance gets a PORT of its own`);
  }
  if (env.PORT !== undefined) {
    const wanted = Number(env.PORT);
    const usable = Number.isInteger(wanted) && wanted >= portRange.from && wanted <= portRange.to;
    if (routes.length === 0 && usable) {
      routes.push({ port: wanted });
      remarks.notes.push(`${path}.env.PORT became the route { port: ${wanted} }: each instance gets a PORT of its own`);
    } else {
      remarks.notes.push(`${path}.env.PORT has no effect: each instance gets a PORT of its own, and routes lead to it`);
    }
    delete env.PORT;
  }
  return routes;
}

function readRoute(value: unknown, at: string, remarks: Remarks): unknown {
  if (typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))) return { port: Number(value) };
  if (isObject(value)) return readFields(value, routeFields, { path: at, remarks }).spec;
  remarks.issues.push({
    path: at,
    reason: `${show(value)} is not a route`,
    allowed: `a port, or ${keysOf(routeFields)}`,
  });
  return undefined;
}
