/**
 * Splits a command line as a POSIX shell would, without expanding anything: blanks separate, single and double quotes and
 * backslashes protect.
 * @throws RangeError when a quote is not closed.
 */
export function splitArguments(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let index = 0; index < line.length; index++) {
    const char = line[index]!;
    if (quote === "'") {
      if (char === "'") quote = undefined;
      else word += char;
    } else if (char === '\\') {
      const next = line[++index] ?? '\\';
      // Inside double quotes a backslash protects only what would otherwise be special there.
      word = (word ?? '') + (quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next);
    } else if (quote === '"') {
      if (char === '"') quote = undefined;
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (quote !== undefined) throw new RangeError(`has an unclosed ${quote}`);
  if (word !== undefined) words.push(word);
  return words;
}
