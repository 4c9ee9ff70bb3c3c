import { FramingError } from './framing-error.ts';

/** A token right before its colon: no space between them, and so no folded line either. */
const nameAndColon = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+:/y;
/** Visible characters, space, tab and obs-text up to CR LF; a bare CR or LF, NUL and other controls are in none of them. */
const valueAndEnd = /[\t\x20-\x7e\x80-\xff]*\r\n/y;

/**
 * Reads the field lines in `text` (latin1) from `from` to its end, where each line ends with CR LF, to a flat list: name,
 * value, name, value, with the blanks around values taken off. Throws `FramingError` for what is not a field.
 */
export function readFieldLines(text: string, from = 0): string[] {
  const fields: string[] = [];
  let at = from;
  while (at < text.length) {
    nameAndColon.lastIndex = at;
    if (!nameAndColon.test(text)) throw new FramingError('A field has no valid name.');
    const valueAt = nameAndColon.lastIndex;
    valueAndEnd.lastIndex = valueAt;
    if (!valueAndEnd.test(text)) throw new FramingError('A field has a forbidden character.');
    const lineEnd = valueAndEnd.lastIndex;
    fields.push(text.slice(at, valueAt - 1), trimmed(text, valueAt, lineEnd - 2));
    at = lineEnd;
  }
  return fields;
}

/** The options of a Connection field, in lower case. */
export function connectionOptions(value: string): string[] {
  return value.split(',').map((option) => option.trim().toLowerCase());
}

/** Fields that say where a message ends and to whom it goes: a Connection field that lists them does not remove them. */
const neverHopByHop = new Set(['host', 'content-length', 'transfer-encoding', 'date', 'set-cookie', 'authorization']);

/** A copy of a flat list of fields without those named (in lower case), except the ones that no sender may take away. */
export function withoutFields(fields: readonly string[], names: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase();
    if (neverHopByHop.has(name) || !names.includes(name)) kept.push(fields[i]!, fields[i + 1]!);
  }
  return kept;
}

/** A flat list of fields as the lines of a message, each with its CR LF. */
export function fieldLines(fields: readonly string[]): string {
  let text = '';
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return text;
}

function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}
