import { posix } from 'node:path';
import { type ImportedName, requiredModule } from './collect-imports.ts';
import type { Binding, Source } from './read-source.ts';
import { bare, type FunctionNode, isCall, isFunction, isMember, type Node, propertyName } from './syntax.ts';

export interface Place {
  readonly source: Source;
  readonly node: Node;
}

/** All files that were read, and the ways between them. */
export interface Project {
  readonly sources: readonly Source[];
  /** The binding behind a name, in this file or in the one that it is imported from. */
  resolve(source: Source, identifier: Node): Binding | undefined;
  /** Which package, and what of it, an expression comes from: `{ from: 'http', name: 'createServer' }`. */
  packageOf(source: Source, expression: Node): ImportedName | undefined;
  /** The functions that an expression may stand for. */
  functionsOf(source: Source, expression: Node): { source: Source; node: FunctionNode }[];
  /** Where other files use what they import of this. */
  usesElsewhere(binding: Binding): readonly Place[];
  /** Where objects of a class are made. */
  makersOf(classNode: Node): readonly Place[];
  /** Files that import this one, or are imported by it, over any number of steps. */
  connected(source: Source): readonly Source[];
}

export function createProject(sources: readonly Source[]): Project {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const neighbours = new Map<Source, Set<Source>>(sources.map((source) => [source, new Set()]));

  function fileOf(source: Source, specifier: string): Source | undefined {
    if (!specifier.startsWith('.')) return undefined;
    const path = posix.normalize(posix.join(posix.dirname(source.path), specifier));
    const stem = path.replace(/\.[cm]?jsx?$/, '');
    const names = [path, ...['.ts', '.js', '.mts', '.cts', '.mjs', '.cjs', '.tsx', '.jsx'].map((end) => stem + end)];
    return [...names, `${path}/index.ts`, `${path}/index.js`].map((name) => byPath.get(name)).find((one) => one);
  }

  for (const source of sources) {
    for (const node of source.nodes) {
      const isFrom = /^(Import|ExportNamed|ExportAll)Declaration$/.test(node.type);
      const specifier = isFrom
        ? (node as Extract<Node, { type: 'ImportDeclaration' }>).source?.value
        : isCall(node) || node.type === 'ImportExpression'
          ? requiredModule(node)?.from
          : undefined;
      const other = specifier === undefined ? undefined : fileOf(source, specifier);
      if (other === undefined) continue;
      neighbours.get(source)!.add(other);
      neighbours.get(other)!.add(source);
    }
  }

  function across(binding: Binding | undefined): Binding | undefined {
    if (binding?.imported === undefined) return binding;
    const file = fileOf(binding.source, binding.imported.from);
    if (file === undefined) return binding;
    const { name } = binding.imported;
    return file.topLevel.get(file.exports.get(name === '*' ? 'default' : name) ?? '') ?? binding;
  }

  const resolve: Project['resolve'] = (source, identifier) => across(source.resolve(identifier));

  const packageOf: Project['packageOf'] = (source, expression) => {
    const node = bare(expression);
    const required = requiredModule(node);
    if (required !== undefined) return required;
    if (node.type === 'Identifier') return source.resolve(node)?.imported;
    if (!isMember(node)) return undefined;
    const whole = packageOf(source, node.object);
    const name = propertyName(node);
    return whole === undefined || name === undefined ? undefined : { from: whole.from, name };
  };

  const functionsOf: Project['functionsOf'] = (source, expression) => {
    const node = bare(expression);
    if (isFunction(node)) return [{ source, node }];
    if (node.type === 'Identifier') {
      const binding = resolve(source, node);
      const init = binding?.init === undefined ? undefined : bare(binding.init);
      return binding !== undefined && isFunction(init) ? [{ source: binding.source, node: init }] : [];
    }
    if (isCall(node) && propertyName(node.callee) === 'bind' && isMember(node.callee)) {
      return functionsOf(source, node.callee.object);
    }
    return isMember(node) ? methodsOf(source, node.object, propertyName(node)) : [];
  };

  /** The method of an object literal, of the class that an object was made of, of `this`, or of a module taken whole. */
  function methodsOf(source: Source, object: Node, name: string | undefined): { source: Source; node: FunctionNode }[] {
    if (name === undefined) return [];
    const target = bare(object);
    if (target.type === 'ThisExpression') return memberOf(source, classAround(source, target), name);
    if (target.type !== 'Identifier') return [];
    const own = source.resolve(target);
    const file = own?.imported?.name === '*' ? fileOf(source, own.imported.from) : undefined;
    const exported = file?.topLevel.get(file.exports.get(name) ?? '');
    if (exported?.init !== undefined && isFunction(exported.init))
      return [{ source: exported.source, node: exported.init }];
    const binding = across(own);
    if (binding?.init === undefined) return [];
    const init = bare(binding.init);
    if (init.type === 'NewExpression') {
      const made = resolve(binding.source, init.callee);
      return made?.init === undefined ? [] : memberOf(made.source, made.init, name);
    }
    return memberOf(binding.source, init, name);
  }

  const elsewhere = new Map<Binding, Place[]>();
  const makers = new Map<Node, Place[]>();
  for (const source of sources) {
    for (const own of source.topLevel.values()) {
      const binding = across(own);
      if (binding === undefined || binding === own) continue;
      elsewhere.set(binding, [
        ...(elsewhere.get(binding) ?? []),
        ...source.usesOf(own).map((node) => ({ source, node })),
      ]);
    }
    for (const node of source.nodes) {
      const made = node.type === 'NewExpression' ? resolve(source, node.callee)?.init : undefined;
      if (made !== undefined) makers.set(made, [...(makers.get(made) ?? []), { source, node }]);
    }
  }

  return {
    sources,
    resolve,
    usesElsewhere: (binding) => elsewhere.get(binding) ?? [],
    makersOf: (classNode) => makers.get(classNode) ?? [],
    packageOf,
    functionsOf,
    connected(source) {
      const found = new Set([source]);
      for (const one of found) for (const other of neighbours.get(one)!) found.add(other);
      return [...found];
    },
  };
}

function memberOf(source: Source, container: Node | undefined, name: string): { source: Source; node: FunctionNode }[] {
  const members: readonly Node[] =
    container?.type === 'ClassDeclaration' || container?.type === 'ClassExpression'
      ? container.body.body
      : container?.type === 'ObjectExpression'
        ? container.properties
        : [];
  return members.flatMap((member) => {
    if (!('key' in member) || memberKey(member.key as Node) !== name) return [];
    if (isFunction(member)) return [{ source, node: member }];
    const value = 'value' in member ? (member.value as Node | null) : null;
    return isFunction(value) ? [{ source, node: value }] : [];
  });
}

function memberKey(key: Node): string | undefined {
  return key.type === 'Identifier' ? key.name : key.type === 'PrivateName' ? `#${key.id.name}` : undefined;
}

/** The class in which a node is. */
export function classAround(source: Source, node: Node): Node | undefined {
  let at: Node | undefined = node;
  while (at !== undefined && at.type !== 'ClassDeclaration' && at.type !== 'ClassExpression') at = source.parentOf(at);
  return at;
}
