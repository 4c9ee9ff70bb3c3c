import { isIn, type Rule, type SourceFile, topFolder, type Violation } from '../source-tree.ts';

/** Who may import whom. A folder may always import itself; folders that are not listed (tests, benches) may import all. */
const allowed: Record<string, { places: string[]; reason: string }> = {
  shared: {
    places: [],
    reason: 'shared is what the others stand on; an import back would tie every program to every other',
  },
  controller: {
    places: ['shared'],
    reason: 'controller and agent run on different hosts and meet only in the messages of shared/contracts',
  },
  agent: {
    places: ['shared'],
    reason: 'agent and controller run on different hosts and meet only in the messages of shared/contracts',
  },
  sdk: { places: ['shared'], reason: 'a service that imports the sdk must not load a controller or an agent' },
  cli: {
    places: ['sdk', 'shared/contracts', 'shared/state'],
    reason: 'the CLI is a client like any other: what it can do, the REST API can do',
  },
  examples: { places: ['sdk'], reason: 'an example shows what a user may import' },
};

/**
 * Commands that become a program in the process of the CLI. They load it where they start it, so that every other command
 * stays quick and stays a client.
 */
const starters = ['cli/commands/agent-join.ts', 'cli/commands/controller-start.ts', 'cli/commands/up.ts'];

/** Our own version is read from here. */
const manifest = 'package.json';

/** Folders that no program of ours may import. */
const neverImported = ['test', 'bench', 'scripts', 'examples'];

export const importDirection: Rule = (files) =>
  files.flatMap((file): Violation[] => {
    const from = topFolder(file.path);
    const rule = allowed[from];
    if (rule === undefined) return [];
    return file.imports.flatMap(({ target, dynamic, line }): Violation[] => {
      if (target === null || target === manifest || topFolder(target) === from) return [];
      if (neverImported.includes(topFolder(target))) {
        return [{ file: file.path, line, problem: `imports ${target}`, reason: 'it is not part of what is published' }];
      }
      if (rule.places.some((place) => isIn(target, place))) return [];
      if (dynamic && starters.includes(file.path)) return [];
      const may = rule.places.length > 0 ? `only ${rule.places.join(', ')}` : 'none of the other folders';
      return [
        { file: file.path, line, problem: `imports ${target}, but ${from} may import ${may}`, reason: rule.reason },
      ];
    });
  });

/** The shim's folder and what belongs to it: what a shim process may load from this tree freely. */
const shimFolders = ['agent/shim', 'agent/process'];

const shimReason =
  'a shim lives as long as its workers, on every host: each module it loads is memory held and a thing that can break';

/** The shim imports node:*, its own files, and pure files that import nothing at run time. */
export const shimImports: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return files
    .filter((file) => shimFolders.some((folder) => isIn(file.path, folder)))
    .flatMap((file) =>
      runtimeImports(file).flatMap(({ specifier, target, line }): Violation[] => {
        if (specifier.startsWith('node:')) return [];
        if (target === null) {
          return [{ file: file.path, line, problem: `loads the package ${specifier} in a shim`, reason: shimReason }];
        }
        if (shimFolders.some((folder) => isIn(target, folder))) return [];
        const imported = byPath.get(target);
        if (imported !== undefined && runtimeImports(imported).length === 0) return [];
        return [
          {
            file: file.path,
            line,
            problem: `loads ${target}, which has imports of its own, in a shim`,
            reason: shimReason,
          },
        ];
      }),
    );
};

export function runtimeImports(file: SourceFile): SourceFile['imports'] {
  return file.imports.filter(({ typeOnly }) => !typeOnly);
}
