import type { Comment } from '@babel/types';
import { collectImports } from './collect-imports.ts';
import { type Parsed, parseSource } from './parse-source.ts';
import { childrenOf, descendants, isFunction, isMember, type Node } from './syntax.ts';

/** What a name stands for. */
export interface Binding {
  readonly name: string;
  readonly source: Source;
  /** The identifier that declares it. */
  readonly declaration: Node;
  /** What it is at first: a value, a function, a class. */
  readonly init: Node | undefined;
  /** For a name that a module gives: which one, and its name there (`*` for all of it). */
  readonly imported: { readonly from: string; readonly name: string } | undefined;
  /** The function in which it lives, or undefined at the top of the file. */
  readonly owner: Node | undefined;
}

/** One parsed file, with what is needed to find one's way in it. */
export interface Source {
  readonly path: string;
  readonly nodes: readonly Node[];
  readonly comments: readonly Comment[];
  parentOf(node: Node): Node | undefined;
  /** The binding that a name leads to from where it is used, or undefined for a global. */
  resolve(identifier: Node): Binding | undefined;
  /** All uses of the binding in this file, without its declaration. */
  usesOf(binding: Binding): readonly Node[];
  /** Names that others may import, and how they are called here. */
  readonly exports: ReadonlyMap<string, string>;
  readonly topLevel: ReadonlyMap<string, Binding>;
}

/** Parses one file; the failure to parse when it cannot be read. */
export function readSource(path: string, text: string): Source | Extract<Parsed, { ok: false }> {
  const parsed = parseSource(path, text);
  if (!parsed.ok) return parsed;
  const { program, comments } = parsed.file;
  const nodes = descendants(program);
  const parents = new Map<Node, Node>();
  for (const node of nodes) for (const child of childrenOf(node)) parents.set(child, node);
  const scopes = new Map<Node, Map<string, Binding>>([[program, new Map()]]);
  const uses = new Map<Binding, Node[]>();
  const imports = collectImports(nodes);
  const exports = new Map<string, string>();

  const source: Source = {
    path,
    nodes,
    comments: comments ?? [],
    parentOf: (node) => parents.get(node),
    resolve,
    usesOf: (binding) => uses.get(binding) ?? [],
    exports,
    topLevel: scopes.get(program)!,
  };

  function scopeAbove(node: Node, { block }: { block: boolean }): Node {
    let at = parents.get(node);
    while (at !== undefined && at !== program && !isFunction(at) && !(block && isBlock(at))) at = parents.get(at);
    return at ?? program;
  }

  function ownerOf(node: Node): Node | undefined {
    const scope = scopeAbove(node, { block: false });
    return scope === program ? undefined : scope;
  }

  function declare(pattern: Node, scope: Node, init: Node | undefined): void {
    for (const { identifier, value } of namesIn(pattern, init)) {
      const names = scopes.get(scope) ?? new Map<string, Binding>();
      scopes.set(scope, names);
      const owner = isFunction(scope) ? scope : ownerOf(scope);
      names.set(identifier.name, {
        ...{ name: identifier.name, source, declaration: identifier, init: value, owner },
        imported: imports.get(identifier),
      });
    }
  }

  function resolve(identifier: Node): Binding | undefined {
    if (identifier.type !== 'Identifier') return undefined;
    for (let at = parents.get(identifier); at !== undefined; at = parents.get(at)) {
      const found = scopes.get(at)?.get(identifier.name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  for (const node of nodes) {
    if (isFunction(node)) {
      for (const param of node.params) declare(param, node, undefined);
      if (node.type === 'FunctionDeclaration' && node.id) declare(node.id, scopeAbove(node, { block: true }), node);
      if (node.type === 'FunctionExpression' && node.id) declare(node.id, node, node);
    } else if (node.type === 'ClassDeclaration' && node.id) {
      declare(node.id, scopeAbove(node, { block: true }), node);
    } else if (node.type === 'VariableDeclaration') {
      const scope = scopeAbove(node, { block: node.kind !== 'var' });
      for (const { id, init } of node.declarations) declare(id, scope, init ?? undefined);
    } else if (node.type === 'CatchClause' && node.param) {
      declare(node.param, node, undefined);
    } else if (/^Import(Default|Namespace)?Specifier$/.test(node.type)) {
      declare((node as Extract<Node, { type: 'ImportSpecifier' }>).local, program, undefined);
    }
  }
  for (const node of nodes) {
    if (node.type !== 'Identifier' || !isUse(node, parents.get(node))) continue;
    const binding = resolve(node);
    if (binding === undefined || binding.declaration === node) continue;
    const known = uses.get(binding);
    if (known === undefined) uses.set(binding, [node]);
    else known.push(node);
  }
  collectExports(nodes, exports);
  return source;
}

function isBlock({ type }: Node): boolean {
  return /^(BlockStatement|For(Of|In)?Statement|SwitchStatement|CatchClause|StaticBlock)$/.test(type);
}

/** Whether an identifier is a name of a variable, and not of a property. */
function isUse(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined) return false;
  if (isMember(parent)) return parent.object === node || parent.computed;
  if (parent.type === 'ObjectProperty') return parent.value === node || parent.computed;
  return (
    !/^(ObjectMethod|Class(Private)?(Method|Property)|TS\w*|ImportSpecifier|LabeledStatement)$/.test(parent.type) ||
    /^TS(As|Satisfies|NonNull)Expression$/.test(parent.type)
  );
}

/** The names of a pattern; each with the value that it may be seen to have: the default, or the whole that is taken apart. */
function* namesIn(
  pattern: Node,
  init: Node | undefined,
): Generator<{ identifier: Extract<Node, { type: 'Identifier' }>; value: Node | undefined }> {
  if (pattern.type === 'Identifier') yield { identifier: pattern, value: init };
  else if (pattern.type === 'AssignmentPattern') yield* namesIn(pattern.left, pattern.right);
  else if (pattern.type === 'RestElement') yield* namesIn(pattern.argument, undefined);
  else if (pattern.type === 'TSParameterProperty') yield* namesIn(pattern.parameter, undefined);
  else if (pattern.type === 'ArrayPattern') {
    for (const element of pattern.elements) if (element) yield* namesIn(element, undefined);
  } else if (pattern.type === 'ObjectPattern') {
    for (const property of pattern.properties) {
      if (property.type === 'RestElement') yield* namesIn(property, undefined);
      else yield* namesIn(property.value, undefined);
    }
  }
}

function collectExports(nodes: readonly Node[], exports: Map<string, string>): void {
  for (const node of nodes) {
    if (node.type === 'ExportNamedDeclaration' && !node.source) {
      for (const one of node.specifiers) {
        if (one.type !== 'ExportSpecifier') continue;
        const name = one.exported.type === 'Identifier' ? one.exported.name : one.exported.value;
        if (one.local.type === 'Identifier') exports.set(name, one.local.name);
      }
      const declared = node.declaration;
      if (declared?.type === 'VariableDeclaration') {
        for (const { id } of declared.declarations) if (id.type === 'Identifier') exports.set(id.name, id.name);
      } else if (declared && 'id' in declared && declared.id?.type === 'Identifier') {
        exports.set(declared.id.name, declared.id.name);
      }
    } else if (node.type === 'ExportDefaultDeclaration') {
      const declared = node.declaration;
      if (declared.type === 'Identifier') exports.set('default', declared.name);
      else if ('id' in declared && declared.id?.type === 'Identifier') exports.set('default', declared.id.name);
    } else if (node.type === 'AssignmentExpression' && isMember(node.left)) {
      collectCommonJsExport(node, exports);
    }
  }
}

/** `module.exports = name`, `module.exports = { name }`, `exports.name = name`. */
function collectCommonJsExport(node: Extract<Node, { type: 'AssignmentExpression' }>, exports: Map<string, string>) {
  if (!isMember(node.left) || node.left.property.type !== 'Identifier') return;
  const { object, property } = node.left;
  const isModule = object.type === 'Identifier' && object.name === 'module' && property.name === 'exports';
  if (isModule && node.right.type === 'Identifier') exports.set('default', node.right.name);
  if (isModule && node.right.type === 'ObjectExpression') {
    for (const one of node.right.properties) {
      if (one.type !== 'ObjectProperty' || one.key.type !== 'Identifier' || one.value.type !== 'Identifier') continue;
      exports.set(one.key.name, one.value.name);
    }
  }
  const isExports =
    (object.type === 'Identifier' && object.name === 'exports') ||
    (isMember(object) && object.property.type === 'Identifier' && object.property.name === 'exports');
  if (isExports && node.right.type === 'Identifier') exports.set(property.name, node.right.name);
}
