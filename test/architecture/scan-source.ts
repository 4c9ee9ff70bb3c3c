/** One import, re-export or dynamic import with a literal specifier. */
export type ImportStatement = { specifier: string; typeOnly: boolean; dynamic: boolean; line: number };

export type ScannedSource = {
  imports: ImportStatement[];
  /** The text with comments and the insides of strings, templates and regular expressions replaced by spaces; lines are kept. */
  code: string;
};

/**
 * Finds what a TypeScript file imports and what is code in it. TypeScript 7 has no stable API for this yet, and the rules
 * need words and specifiers only, never types.
 */
export function scanSource(text: string): ScannedSource {
  const { code, strings } = blankOut(text);
  return { code, imports: findImports(code, strings) };
}

/** A string literal: where its opening quote is, and what it says. */
type StringLiteral = { start: number; value: string };

/** Words after which a slash starts a regular expression although they look like a value. */
const wordsBeforeExpression = new Set(
  'return typeof case in of do else void delete throw new instanceof yield await'.split(' '),
);

function blankOut(text: string): { code: string; strings: StringLiteral[] } {
  const code = text.split('');
  const strings: StringLiteral[] = [];
  // For each open template literal: how many braces are open inside its current ${ }.
  const templateBraces: number[] = [];
  let index = 0;

  const blank = (from: number, to: number): void => {
    for (let at = from; at < to; at++) if (code[at] !== '\n') code[at] = ' ';
  };
  const skipTemplatePart = (from: number): number => {
    let at = from;
    while (at < text.length) {
      if (text[at] === '\\') at += 2;
      else if (text[at] === '`') return at;
      else if (text[at] === '$' && text[at + 1] === '{') return at;
      else at++;
    }
    return at;
  };
  const enterTemplatePart = (from: number): void => {
    const end = skipTemplatePart(from);
    blank(from, end);
    if (text[end] === '`') index = end + 1;
    else {
      templateBraces.push(0);
      index = end + 2;
    }
  };

  while (index < text.length) {
    const char = text[index];
    const next = text[index + 1];
    if (char === '/' && (next === '/' || next === '*')) {
      const end = next === '/' ? text.indexOf('\n', index) : text.indexOf('*/', index + 2) + 2;
      const stop = end <= 1 ? text.length : end;
      blank(index, stop);
      index = stop;
    } else if (char === "'" || char === '"') {
      let end = index + 1;
      while (end < text.length && text[end] !== char && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
      strings.push({ start: index, value: text.slice(index + 1, end) });
      blank(index + 1, end);
      index = end + 1;
    } else if (char === '`') {
      enterTemplatePart(index + 1);
    } else if (char === '}' && templateBraces.at(-1) === 0) {
      templateBraces.pop();
      enterTemplatePart(index + 1);
    } else if (char === '/' && startsRegularExpression(code, index)) {
      const end = endOfRegularExpression(text, index);
      blank(index + 1, end);
      index = end + 1;
    } else {
      if (templateBraces.length > 0 && (char === '{' || char === '}')) {
        templateBraces[templateBraces.length - 1]! += char === '{' ? 1 : -1;
      }
      index++;
    }
  }
  return { code: code.join(''), strings };
}

function startsRegularExpression(code: readonly string[], slash: number): boolean {
  let at = slash - 1;
  while (at >= 0 && /\s/.test(code[at]!)) at--;
  if (at < 0) return true;
  if (!/[\w$)\]}'"`]/.test(code[at]!)) return true;
  let word = '';
  for (; at >= 0 && /\w/.test(code[at]!); at--) word = code[at] + word;
  return wordsBeforeExpression.has(word);
}

function endOfRegularExpression(text: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '\n') return at;
    else if (text[at] === '[') inClass = true;
    else if (text[at] === ']') inClass = false;
    else if (text[at] === '/' && !inClass) return at;
  }
  return text.length;
}

/** What stands before the specifier of a static import or re-export, up to its opening quote. */
const staticImport = /(?:^|[;\n}])\s*(import|export)\b(\s+type\b(?!\s*from\b))?([\w\s{},*$]*?\bfrom)?\s*(?=['"])/g;
const dynamicImport = /(?<![\w$.])(import|require)\s*\(\s*(?=['"`])/g;

function findImports(code: string, strings: readonly StringLiteral[]): ImportStatement[] {
  const valueAt = new Map(strings.map(({ start, value }) => [start, value]));
  const found: ImportStatement[] = [];
  const add = (start: number, { typeOnly, dynamic }: { typeOnly: boolean; dynamic: boolean }): void => {
    const specifier = valueAt.get(start);
    if (specifier !== undefined)
      found.push({ specifier, typeOnly, dynamic, line: code.slice(0, start).split('\n').length });
  };
  for (const match of code.matchAll(staticImport)) {
    if (match[1] === 'export' && match[3] === undefined) continue;
    // `import { type A }` is a run-time import: verbatimModuleSyntax keeps the statement.
    add(match.index + match[0].length, { typeOnly: match[2] !== undefined, dynamic: false });
  }
  for (const match of code.matchAll(dynamicImport)) {
    const isType = /\btypeof\s*$/.test(code.slice(0, match.index)) || /:\s*$/.test(code.slice(0, match.index));
    add(match.index + match[0].length, { typeOnly: isType, dynamic: true });
  }
  return found;
}
