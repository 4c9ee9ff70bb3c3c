import { bare, isCall, isMember, keyName, type Node, propertyName, textOf } from './syntax.ts';

export interface ImportedName {
  /** As it is written, without `node:`. */
  readonly from: string;
  /** The name there; `default`; `*` for all of it, as `require` gives it. */
  readonly name: string;
}

/** Which declared identifiers come from another module, by import or by require. */
export function collectImports(nodes: readonly Node[]): Map<Node, ImportedName> {
  const found = new Map<Node, ImportedName>();
  for (const node of nodes) {
    if (node.type === 'ImportDeclaration') {
      const from = withoutScheme(node.source.value);
      for (const one of node.specifiers) {
        if (one.type === 'ImportDefaultSpecifier') found.set(one.local, { from, name: 'default' });
        else if (one.type === 'ImportNamespaceSpecifier') found.set(one.local, { from, name: '*' });
        else found.set(one.local, { from, name: keyName(one.imported) ?? '*' });
      }
    } else if (node.type === 'VariableDeclarator' && node.init) {
      const required = requiredModule(node.init);
      if (required === undefined) continue;
      if (node.id.type === 'Identifier') found.set(node.id, required);
      if (node.id.type !== 'ObjectPattern') continue;
      for (const one of node.id.properties) {
        if (one.type !== 'ObjectProperty') continue;
        const name = keyName(one.key);
        if (one.value.type === 'Identifier' && name !== undefined) found.set(one.value, { from: required.from, name });
      }
    }
  }
  return found;
}

/** The module of `require('x')`, `await import('x')` and `require('x').name`. */
export function requiredModule(expression: Node): ImportedName | undefined {
  const node = bare(expression);
  if (isMember(node)) {
    const whole = requiredModule(node.object);
    return whole === undefined ? undefined : { from: whole.from, name: propertyName(node) ?? '*' };
  }
  if (node.type === 'ImportExpression') return moduleOf(node.source);
  if (!isCall(node)) return undefined;
  const callee = node.callee;
  const isRequire = callee.type === 'Import' || (callee.type === 'Identifier' && callee.name === 'require');
  return isRequire ? moduleOf(node.arguments[0]) : undefined;
}

function moduleOf(argument: Node | undefined): ImportedName | undefined {
  const text = textOf(argument);
  return text === undefined ? undefined : { from: withoutScheme(text), name: '*' };
}

function withoutScheme(specifier: string): string {
  return specifier.replace(/^node:/, '');
}
